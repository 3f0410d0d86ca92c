"""Voxel overlap of two label maps: counts in one pass, Dice and IoU read from them."""

import numpy as np

# Comparing costs by the label, counting in bins by the voxel; measured, they cross near here.
_FEW_LABELS = 12


def overlap_counts(
    prediction: np.ndarray, reference: np.ndarray, label_count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts true positive, false positive and false negative voxels of every label.

    Args:
        prediction: (d, h, w) uint8 label ids.
        reference: (d, h, w) uint8 label ids.
        label_count: number of labels, background included; ids above are no label of anyone's.

    Returns:
        tp, fp, fn: (label_count,) int64 voxels, row i for label i, background included.

    Raises:
        ValueError: the two maps differ in shape.
    """
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction {prediction.shape} and reference {reference.shape} differ")
    if label_count <= _FEW_LABELS:
        tp, predicted, present = _count_by_label(prediction, reference, label_count)
    else:
        tp, predicted, present = _count_by_bin(prediction, reference, label_count)
    return tp, predicted - tp, present - tp


def _count_by_label(prediction, reference, label_count):
    counts = np.zeros((3, label_count), np.int64)
    for label in range(label_count):
        in_prediction, in_reference = prediction == label, reference == label
        counts[1, label] = np.count_nonzero(in_prediction)
        counts[2, label] = np.count_nonzero(in_reference)
        counts[0, label] = np.count_nonzero(np.logical_and(in_prediction, in_reference))
    return counts


def _count_by_bin(prediction, reference, label_count):
    # Where both say background there is nothing to tell apart, and that is most of a volume.
    foreground = np.flatnonzero(np.bitwise_or(prediction, reference))
    both_background = prediction.size - foreground.size
    prediction, reference = prediction.ravel()[foreground], reference.ravel()[foreground]
    agreed = prediction[prediction == reference]
    counts = np.stack(
        [
            np.bincount(labels, minlength=label_count)[:label_count]
            for labels in (agreed, prediction, reference)
        ]
    )
    counts[:, 0] += both_background
    return counts


def dice(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN), 0..1 (Dice 1945); nan where the label is in neither map.

    0 where it is in one map only: missed or invented.
    """
    return _ratio(2 * np.asarray(tp, np.float64), tp, fp, fn, 2)


def iou(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """TP / (TP + FP + FN), 0..1 (Jaccard 1912); nan where the label is in neither map.

    0 where it is in one map only: missed or invented.
    """
    return _ratio(np.asarray(tp, np.float64), tp, fp, fn, 1)


def _ratio(above, tp, fp, fn, weight):
    below = weight * np.asarray(tp, np.float64) + fp + fn
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
