"""Outlines and the distances between them, with answers found by eye or on paper."""

import numpy as np
import pytest

from mos.metrics import surface


def measure(prediction, reference, spacing=(1, 1, 1), label=1):
    return surface.surface_distances(prediction, reference, [label], spacing)[label]


def block(shape, d, h, w, label=1):
    volume = np.zeros(shape, np.uint8)
    volume[slice(*d), slice(*h), slice(*w)] = label
    return volume


def ball(shape, centre, radius, spacing):
    grid = np.meshgrid(*[np.arange(n) * s for n, s in zip(shape, spacing)], indexing="ij")
    squares = sum((x - c) ** 2 for x, c in zip(grid, centre))
    return (squares <= radius**2).astype(np.uint8)


def test_the_outline_of_a_solid_cube_leaves_out_its_core():
    cube = block((9, 9, 9), (2, 7), (2, 7), (2, 7))
    assert measure(cube, cube).to_reference.size == 5**3 - 3**3


def test_the_image_border_counts_as_outside():
    full = np.ones((4, 4, 4), np.uint8)
    assert measure(full, full).to_reference.size == 4**3 - 2**3


def test_two_touching_labels_have_an_outline_where_they_touch():
    both = np.ones((5, 5, 8), np.uint8)
    both[..., 4:] = 2
    distances = surface.surface_distances(both, both, [1, 2], (1, 1, 1))
    assert [distances[k].to_reference.size for k in (1, 2)] == [5 * 5 * 4 - 3 * 3 * 2] * 2


def test_two_slices_off_with_ten_mm_between_them_is_twenty():
    reference = block((8, 10, 10), (2, 3), (3, 6), (3, 6))
    prediction = block((8, 10, 10), (4, 5), (3, 6), (3, 6))
    distances = measure(prediction, reference, (10, 1.5, 1.5))
    assert surface.hausdorff(distances) == 20
    assert surface.hausdorff95(distances) == 20
    assert surface.mean_surface_distance(distances) == 20
    assert surface.surface_dice(distances, 19.9) == 0
    assert surface.surface_dice(distances, 20) == 1


def test_a_tolerance_of_two_voxels_reaches_two_voxels_whatever_the_rounding():
    for first in range(20):
        one, two = np.zeros((2, 1, 1, 24), np.uint8)
        one[0, 0, first] = two[0, 0, first + 2] = 1
        assert surface.surface_dice(measure(one, two, (1, 1, 0.8)), 1.6) == 1


@pytest.mark.parametrize("axis, wanted", [(0, 30.0), (1, 6.0), (2, 1.5)])
def test_spacing_belongs_to_its_axis(axis, wanted):
    reference = block((9, 9, 9), (1, 2), (1, 2), (1, 2))
    distances = measure(np.roll(reference, 3, axis), reference, (10, 2, 0.5))
    assert surface.hausdorff95(distances) == wanted


def test_a_perfect_segmentation_is_at_distance_zero():
    cube = block((6, 6, 6), (1, 5), (1, 5), (1, 5))
    distances = measure(cube, cube, (10, 1, 1))
    assert surface.hausdorff(distances) == surface.mean_surface_distance(distances) == 0
    assert surface.surface_dice(distances, 0) == 1


def test_hausdorff95_is_the_larger_of_the_directed_percentiles():
    # A row of 20 voxels, and the same row with one voxel 30 mm away: 20 zeros one way; the other
    # way 20 zeros and a 30, whose 95th percentile is the 20th of 21 values: still 0. With two far
    # voxels (22 values) rank 0.95 * 21 = 19.95 lies 95 % of the way from 0 to the first 30.
    reference = block((1, 40, 40), (0, 1), (2, 3), (2, 22))
    one = reference.copy()
    one[0, 32, 2] = 1
    two = one.copy()
    two[0, 32, 3] = 1
    assert surface.hausdorff95(measure(one, reference)) == 0
    assert surface.hausdorff(measure(one, reference)) == 30
    assert surface.hausdorff95(measure(two, reference)) == pytest.approx(28.5)
    assert surface.hausdorff95(measure(reference, two)) == pytest.approx(28.5)


def test_the_mean_pools_both_directions():
    # One voxel against two, of which one is shared: distances 0 | 0, 6; pooled mean 2, not 1.5.
    one, two = block((3, 3, 9), (1, 2), (1, 2), (1, 2)), block((3, 3, 9), (1, 2), (1, 2), (1, 2))
    two[1, 1, 7] = 1
    assert surface.mean_surface_distance(measure(one, two)) == 2
    assert surface.surface_dice(measure(one, two), 1) == pytest.approx(2 / 3)


def test_concentric_balls_are_as_far_apart_as_their_radii_differ():
    spacing, shape = (2.0, 1.0, 0.8), (33, 64, 80)
    centre = (32.0, 32.0, 32.0)
    small, large = (ball(shape, centre, r, spacing) for r in (20, 26))
    distances = measure(small, large, spacing)
    assert surface.mean_surface_distance(distances) == pytest.approx(6, abs=0.5)
    assert surface.hausdorff(distances) == pytest.approx(6, abs=2)  # a voxel is up to 2 mm


def test_a_moved_ball_is_as_far_off_as_it_moved():
    shape, spacing = (40, 40, 50), (1.0, 1.0, 1.0)
    reference = ball(shape, (20, 20, 20), 15, spacing)
    distances = measure(np.roll(reference, 6, 2), reference, spacing)
    assert surface.hausdorff(distances) == pytest.approx(6, abs=0.5)
    # The nearest outline is |6 cos(angle)| away for a small shift: mean 3 over a sphere.
    assert surface.mean_surface_distance(distances) == pytest.approx(3, abs=0.4)


def test_empty_in_both_is_nan_in_every_reading():
    distances = measure(np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8))
    assert distances.to_reference.size == distances.to_prediction.size == 0
    assert np.isnan(surface.hausdorff95(distances))
    assert np.isnan(surface.hausdorff(distances))
    assert np.isnan(surface.mean_surface_distance(distances))
    assert np.isnan(surface.surface_dice(distances, 1))


@pytest.mark.parametrize("missed", [True, False])
def test_missed_and_invented_are_infinitely_far_and_nothing_is_within_tolerance(missed):
    empty, organ = np.zeros((4, 4, 4), np.uint8), block((4, 4, 4), (1, 3), (1, 3), (1, 3))
    distances = measure(empty, organ) if missed else measure(organ, empty)
    assert surface.hausdorff95(distances) == np.inf
    assert surface.hausdorff(distances) == np.inf
    assert surface.mean_surface_distance(distances) == np.inf
    assert surface.surface_dice(distances, 1000) == 0


def test_a_single_slice_has_an_in_plane_outline():
    # In 3-D all 25 pixels of a square in a volume of one slice would touch the outside.
    square = block((1, 9, 9), (0, 1), (2, 7), (2, 7))
    assert measure(square, square).to_reference.size == 25 - 9
    inner = block((1, 9, 9), (0, 1), (3, 6), (3, 6))
    distances = measure(inner, square, (10, 2, 2))
    assert surface.hausdorff(distances) == pytest.approx(np.sqrt(8))  # corner to corner
    assert distances.to_reference.tolist() == [2] * 8


def test_an_organ_in_one_slice_of_a_volume_is_outline_all_over():
    square = block((3, 9, 9), (1, 2), (2, 7), (2, 7))
    assert measure(square, square).to_reference.size == 25


def test_a_volume_of_one_voxel_is_its_own_outline():
    voxel = np.ones((1, 1, 1), np.uint8)
    assert surface.hausdorff(measure(voxel, voxel)) == 0


def test_every_label_is_measured_in_one_call_as_if_alone():
    rng = np.random.default_rng(0)
    prediction, reference = rng.integers(0, 5, (2, 6, 8, 7), np.uint8)
    together = surface.surface_distances(prediction, reference, [1, 3, 4, 9], (3, 1, 0.5))
    assert list(together) == [1, 3, 4, 9] and together[9].to_reference.size == 0
    for label in (1, 3, 4):
        alone = measure(
            (prediction == label).astype(np.uint8),
            (reference == label).astype(np.uint8),
            (3, 1, 0.5),
        )
        assert (together[label].to_reference == alone.to_reference).all()
        assert (together[label].to_prediction == alone.to_prediction).all()


def test_distances_are_those_of_a_brute_force_search():
    rng = np.random.default_rng(1)
    prediction, reference = (rng.random((2, 7, 9, 8)) < 0.3).astype(np.uint8)
    distances = measure(prediction, reference, (2.5, 0.7, 1.1))
    # With 30 % of voxels set at random hardly any is inside: check the outline voxel by voxel.
    points = []
    for volume in (prediction, reference):
        padded = np.pad(volume, 1)
        found = [
            (d, h, w)
            for d, h, w in np.argwhere(volume)
            if min(
                padded[d, h + 1, w + 1],
                padded[d + 2, h + 1, w + 1],
                padded[d + 1, h, w + 1],
                padded[d + 1, h + 2, w + 1],
                padded[d + 1, h + 1, w],
                padded[d + 1, h + 1, w + 2],
            )
            == 0
        ]
        points.append(np.array(found) * (2.5, 0.7, 1.1))
    table = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1)
    np.testing.assert_allclose(distances.to_reference, table.min(1), atol=1e-12)
    np.testing.assert_allclose(distances.to_prediction, table.min(0), atol=1e-12)


def test_a_far_false_positive_is_found():
    reference = block((20, 60, 60), (8, 12), (8, 12), (8, 12))
    prediction = reference.copy()
    prediction[8, 8, 59] = 1
    distances = measure(prediction, reference, (5, 1, 1))
    assert surface.hausdorff(distances) == 48 and surface.hausdorff95(distances) == 0


@pytest.mark.parametrize(
    "prediction, labels, spacing, message",
    [
        (np.zeros((2, 2, 2)), [1], (1, 1, 1), r"two \(d, h, w\) maps"),
        (np.zeros((2, 2, 3)), [0], (1, 1, 1), "ids from 1 to 255"),
        (np.zeros((2, 2, 3)), [1], (1, 1), "three positive numbers"),
        (np.zeros((2, 2, 3)), [1], (1, 0, 1), "three positive numbers"),
        (np.zeros((2, 2, 3)), [1], (1, np.nan, 1), "three positive numbers"),
    ],
)
def test_what_cannot_be_measured_is_refused(prediction, labels, spacing, message):
    with pytest.raises(ValueError, match=message):
        surface.surface_distances(
            prediction.astype(np.uint8), np.zeros((2, 2, 3), np.uint8), labels, spacing
        )
