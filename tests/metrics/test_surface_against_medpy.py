"""Our distances are MedPy's and, where the definitions agree, those of surface-distance."""

import numpy as np
import pytest

from mos.metrics import surface

SPACING = (10.0, 1.5, 0.8)


def ragged(seed, shape=(7, 16, 18)):
    rng = np.random.default_rng(seed)
    d, h, w = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    shifts = ((0, 0), (0.15, 0.1))
    return [d**2 + (h - a) ** 2 + (w - b) ** 2 + rng.normal(0, 0.1, shape) < 0.6 for a, b in shifts]


def box(shape, d, h, w):
    volume = np.zeros(shape, bool)
    volume[slice(*d), slice(*h), slice(*w)] = True
    return volume


def measure(prediction, reference, spacing):
    maps = prediction.astype(np.uint8), reference.astype(np.uint8)
    return surface.surface_distances(*maps, [1], spacing)[1]


@pytest.fixture
def medpy():
    return pytest.importorskip("medpy.metric.binary")


@pytest.fixture
def deepmind(monkeypatch):
    # surface-distance 0.1 writes np.Inf, which numpy 2 dropped.
    monkeypatch.setattr(np, "Inf", np.inf, raising=False)
    return pytest.importorskip("surface_distance")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spacing", [SPACING, (1.0, 1.0, 1.0)])
def test_hd_and_assd_are_medpys(medpy, seed, spacing):
    prediction, reference = ragged(seed)
    ours = measure(prediction, reference, spacing)
    assert surface.hausdorff(ours) == pytest.approx(medpy.hd(prediction, reference, spacing))
    pooled = np.concatenate([ours.to_reference, ours.to_prediction])
    assert surface.mean_surface_distance(ours) == pytest.approx(pooled.mean())
    assert np.percentile(pooled, 95) == pytest.approx(medpy.hd95(prediction, reference, spacing))
    assert ours.to_reference.mean() == pytest.approx(medpy.asd(prediction, reference, spacing))
    assert ours.to_prediction.mean() == pytest.approx(medpy.asd(reference, prediction, spacing))
    assert surface.mean_surface_distance(ours) == pytest.approx(
        medpy.assd(prediction, reference, spacing)
    )


def test_a_single_slice_is_measured_as_medpy_measures_the_image(medpy):
    prediction, reference = (volume[3] for volume in ragged(5))
    ours = measure(prediction[None], reference[None], SPACING)
    assert surface.hausdorff(ours) == pytest.approx(medpy.hd(prediction, reference, SPACING[1:]))
    assert surface.mean_surface_distance(ours) == pytest.approx(
        medpy.assd(prediction, reference, SPACING[1:])
    )


def test_pooled_and_directed_percentiles_differ_for_a_far_false_positive(medpy):
    # 44 far voxels are 8 % of the prediction's 550, but 4 % of the 1056 in both outlines.
    reference = box((9, 40, 40), (2, 5), (5, 20), (5, 20))
    prediction = reference.copy()
    prediction[2:5, 30:34, 30:34] = True
    ours = measure(prediction, reference, (1, 1, 1))
    pooled = np.concatenate([ours.to_reference, ours.to_prediction])
    theirs = medpy.hd95(prediction, reference, (1, 1, 1))
    assert np.percentile(pooled, 95) == pytest.approx(theirs)
    assert theirs == 0 and surface.hausdorff95(ours) > 10


@pytest.mark.parametrize("steps, axis, wanted", [(2, 0, 20.0), (3, 1, 4.5), (5, 2, 4.0)])
def test_surface_distance_agrees_on_how_far_a_box_was_moved(deepmind, steps, axis, wanted):
    # Its surface lies on voxel corners, ours on voxels: a shift moves both alike, so the maxima agree.
    reference = box((12, 20, 20), (3, 6), (6, 12), (6, 12))
    prediction = np.roll(reference, steps, axis)
    theirs = deepmind.compute_surface_distances(reference, prediction, SPACING)
    assert deepmind.compute_robust_hausdorff(theirs, 100) == pytest.approx(wanted)
    assert surface.hausdorff(measure(prediction, reference, SPACING)) == pytest.approx(wanted)


def test_surface_distance_agrees_that_equal_masks_are_at_zero_and_empty_ones_at_infinity(deepmind):
    mask, empty = box((6, 8, 8), (2, 4), (2, 6), (2, 6)), np.zeros((6, 8, 8), bool)
    for prediction, wanted in ((mask, 0), (empty, np.inf)):
        theirs = deepmind.compute_surface_distances(mask, prediction, SPACING)
        assert deepmind.compute_robust_hausdorff(theirs, 95) == wanted
        assert surface.hausdorff95(measure(prediction, mask, SPACING)) == wanted


def test_surface_distance_weighs_by_area_and_so_differs_on_average(deepmind):
    # A stated difference: with voxel corners and area weights a ragged mask's mean is another number.
    prediction, reference = ragged(0)
    theirs = deepmind.compute_surface_distances(reference, prediction, SPACING)
    mean = sum(deepmind.compute_average_surface_distance(theirs)) / 2
    ours = surface.mean_surface_distance(measure(prediction, reference, SPACING))
    assert mean != pytest.approx(ours, rel=0.01) and 0.4 < mean / ours < 2


@pytest.mark.parametrize("spacing, shape", [((1, 1, 1), (48, 48, 48)), ((2, 1, 1), (24, 48, 48))])
def test_surface_dice_stays_below_surface_distances_which_counts_area(deepmind, spacing, shape):
    # A stated difference: its surface runs between voxels, half a voxel nearer where steps meet. On a
    # ball of 17 mm, moved by 3 mm and 1 mm larger, ours is the stricter one by less than a tenth.
    axes = [np.arange(n) * mm for n, mm in zip(shape, spacing, strict=True)]
    d, h, w = np.meshgrid(*axes, indexing="ij")
    reference = (d - 24) ** 2 + (h - 24) ** 2 + (w - 24) ** 2 < 17**2
    prediction = (d - 24) ** 2 + (h - 27) ** 2 + (w - 24) ** 2 < 18**2
    ours = measure(prediction, reference, spacing)
    theirs = deepmind.compute_surface_distances(reference, prediction, spacing)
    for tolerance in (1, 2, 3, 4):
        wanted = deepmind.compute_surface_dice_at_tolerance(theirs, tolerance)
        assert 0 < wanted - surface.surface_dice(ours, tolerance) < 0.1
