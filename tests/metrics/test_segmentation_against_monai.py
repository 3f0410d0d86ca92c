"""Our scores are MONAI's wherever MONAI gives one, on anisotropic masks.

One file, because importing MONAI takes seconds.
"""

import functools

import numpy as np
import pytest

from mos.metrics import segmentation, surface

SPACING = (10.0, 1.5, 0.8)


def blobs(seed, shape=(7, 20, 24), level=0.4):
    """Two ragged label maps with labels 1 and 2 that resemble each other."""
    rng = np.random.default_rng(seed)
    d, h, w = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    result = []
    for shift in (0.0, 0.15):
        field = d**2 + (h - shift) ** 2 + w**2 + rng.normal(0, 0.12, shape)
        volume = (field < level).astype(np.uint8)
        volume[(field < level) & (w > 0.1 + shift)] = 2
        result.append(volume)
    return result


@functools.cache
def libraries():
    """torch and MONAI's metrics; in a function so that collecting the tests stays quick."""
    torch, metrics = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")
    return torch, metrics


def one_hot(volume, label_count=3):
    torch, _ = libraries()
    return torch.from_numpy(np.stack([volume == k for k in range(label_count)])[None])


CASES = {
    "ragged": blobs(0),
    "touching the border": blobs(1, level=1.4),
    "one slice thick": [np.where(np.arange(7)[:, None, None] == 3, v, 0) for v in blobs(2)],
    "far false positive": [v.copy() for v in blobs(3)],
    "two voxels apart": [np.roll(blobs(4)[0], 2, 1), blobs(4)[0]],
}
CASES["far false positive"][0][0, 0, 0] = 1


@pytest.mark.parametrize("name", CASES)
def test_hd_and_msd_are_monais(name):
    _, metrics = libraries()
    prediction, reference = CASES[name]
    table = segmentation.score_case(prediction, reference, [1, 2], 3, SPACING)
    p, r = one_hot(prediction), one_hot(reference)
    hd = metrics.compute_hausdorff_distance(p, r, percentile=95, spacing=SPACING)[0]
    msd = metrics.compute_average_surface_distance(p, r, symmetric=True, spacing=SPACING)[0]
    np.testing.assert_allclose(table["raw_hd"][1:], hd, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(table["raw_msd"][1:], msd, rtol=1e-6, atol=1e-6)


def test_hausdorff_is_monais():
    _, metrics = libraries()
    prediction, reference = CASES["ragged"]
    p, r = one_hot(prediction), one_hot(reference)
    hd = metrics.compute_hausdorff_distance(p, r, spacing=SPACING)[0]
    ours = surface.surface_distances(prediction, reference, [1, 2], SPACING)
    for label in (1, 2):
        assert surface.hausdorff(ours[label]) == pytest.approx(float(hd[label - 1]), rel=1e-6)


@pytest.mark.parametrize("tolerance", [0.8, 1.6, 2.0, 12.0])
@pytest.mark.parametrize("name", CASES)
def test_nsd_is_monais(name, tolerance):
    _, metrics = libraries()
    prediction, reference = CASES[name]
    given = {1: tolerance, 2: tolerance / 2}
    table = segmentation.score_case(prediction, reference, [1, 2], 3, SPACING, given)
    p, r = one_hot(prediction), one_hot(reference)
    # MONAI compares in float32: the hair added on its side is the one that ours has.
    limits = [given[label] + 1e-5 for label in (1, 2)]
    nsd = metrics.compute_surface_dice(p, r, limits, spacing=SPACING)[0]
    np.testing.assert_allclose(table["raw_nsd"][1:], nsd, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_dice_and_iou_are_monais(name):
    _, metrics = libraries()
    prediction, reference = CASES[name]
    table = segmentation.score_case(prediction, reference, [1, 2], 3, SPACING)
    p, r = one_hot(prediction), one_hot(reference)
    dice = metrics.DiceMetric(include_background=False, reduction="none")(p, r)[0]
    np.testing.assert_allclose(table["raw_dice"][1:], dice, rtol=1e-6)
    np.testing.assert_allclose(table["raw_iou"][1:], metrics.compute_iou(p, r, False)[0], rtol=1e-6)
    # In float: MONAI adds booleans up without carrying.
    counts = metrics.get_confusion_matrix(p.float(), r.float(), include_background=False)
    for ours, theirs in (("raw_precision", "precision"), ("raw_recall", "sensitivity")):
        values = metrics.compute_confusion_matrix_metric(theirs, counts)[0]
        np.testing.assert_allclose(table[ours][1:], values, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:the (ground truth|prediction) of class")
def test_where_monai_gives_nan_for_a_missed_structure_ours_is_inf():
    _, metrics = libraries()
    prediction, reference = CASES["ragged"]
    prediction = np.where(prediction == 2, 0, prediction)
    p, r = one_hot(prediction), one_hot(reference)
    theirs = metrics.compute_hausdorff_distance(p, r, percentile=95, spacing=SPACING)[0]
    ours = segmentation.score_case(prediction, reference, [1, 2], 3, SPACING)
    assert np.isnan(float(theirs[1])) and ours["raw_hd"][2] == np.inf
    theirs = metrics.compute_average_surface_distance(p, r, symmetric=True, spacing=SPACING)[0]
    assert float(theirs[1]) == ours["raw_msd"][2] == np.inf
    dice = metrics.DiceMetric(include_background=False, reduction="none")(p, r)[0]
    assert float(dice[1]) == ours["raw_dice"][2] == 0
    # Absent in both: both say nan.
    both = one_hot(np.zeros_like(reference))
    theirs = metrics.DiceMetric(include_background=False, reduction="none")(both, both)[0]
    assert np.isnan(theirs).all()
