"""Overlap counts, Dice and IoU of label maps drawn by hand."""

import numpy as np
import pytest

from mos.metrics import overlap

PREDICTION = np.array([[[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [2, 0, 0, 0]]], np.uint8)
REFERENCE = np.array([[[0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 3]]], np.uint8)


def test_counts_of_a_map_drawn_by_hand():
    tp, fp, fn = overlap.overlap_counts(PREDICTION, REFERENCE, 5)
    assert tp.tolist() == [9, 2, 0, 0, 0]
    assert fp.tolist() == [2, 2, 1, 0, 0]
    assert fn.tolist() == [3, 1, 0, 1, 0]
    assert tp.dtype == np.int64


def test_dice_and_iou_of_a_map_drawn_by_hand():
    counts = overlap.overlap_counts(PREDICTION, REFERENCE, 5)
    assert overlap.dice(*counts)[1] == pytest.approx(4 / 7)
    assert overlap.iou(*counts)[1] == pytest.approx(2 / 5)


def test_an_invented_and_a_missed_label_score_zero_and_an_absent_one_nan():
    counts = overlap.overlap_counts(PREDICTION, REFERENCE, 5)
    for metric in (overlap.dice, overlap.iou):
        assert metric(*counts)[2:4].tolist() == [0, 0]
        assert np.isnan(metric(*counts)[4])


@pytest.mark.parametrize("label_count", [2, 5, 8, 9, 40])
def test_few_and_many_labels_are_counted_alike(label_count):
    rng = np.random.default_rng(0)
    prediction, reference = rng.integers(0, label_count + 3, (2, 6, 7, 8), np.uint8)
    tp, fp, fn = overlap.overlap_counts(prediction, reference, label_count)
    for label in range(label_count):
        p, r = prediction == label, reference == label
        wanted = (p & r).sum(), (p & ~r).sum(), (r & ~p).sum()
        assert (tp[label], fp[label], fn[label]) == wanted


@pytest.mark.parametrize("label_count", [3, 40])
def test_large_maps_are_counted_to_the_last_voxel(label_count):
    rng = np.random.default_rng(0)
    prediction, reference = rng.integers(0, 3, (2, 3, 160, 171), np.uint8)  # more than one block
    tp, fp, fn = overlap.overlap_counts(prediction, reference, label_count)
    assert tp.sum() + fp.sum() == tp.sum() + fn.sum() == prediction.size
    assert tp.sum() == (prediction == reference).sum()


@pytest.mark.parametrize("label_count", [3, 40])
def test_maps_that_are_views_into_larger_ones_are_counted_alike(label_count):
    rng = np.random.default_rng(0)
    prediction, reference = rng.integers(0, 3, (2, 12, 7, 8), np.uint8)[:, ::2, :, 1:]
    views = overlap.overlap_counts(prediction, reference, label_count)
    copies = overlap.overlap_counts(prediction.copy(), reference.copy(), label_count)
    assert all((a == b).all() for a, b in zip(views, copies))


def test_maps_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="differ"):
        overlap.overlap_counts(PREDICTION, REFERENCE[:, :2], 3)
