"""Voxel overlap of two label maps: counts in one pass, Dice and IoU read from them."""

import numpy as np

from mos.metrics import kernel

# Comparing costs by the label, counting in bins by the voxel; measured, they cross near here.
_FEW_LABELS = 8
# Words of eight voxels counted at a time: what is made on the way stays in the processor's cache.
_BLOCK = 1 << 15


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
    compiled, _ = kernel.load()
    if compiled and kernel.fits(prediction, reference):
        tp, predicted, present = compiled.counts(prediction, reference)[:, :label_count]
    else:
        tp, predicted, present = _count(prediction, reference, label_count)
    return tp, predicted - tp, present - tp


def _count(prediction: np.ndarray, reference: np.ndarray, label_count: int) -> np.ndarray:
    """(3, label_count) voxels in both, in the prediction, in the reference, with numpy alone."""
    count = _count_by_label if label_count <= _FEW_LABELS else _count_by_bin
    size = prediction.size
    prediction, reference = _words(prediction), _words(reference)
    counts = np.zeros((3, label_count), np.int64)
    for start in range(0, prediction.size, _BLOCK):
        p, r = prediction[start : start + _BLOCK], reference[start : start + _BLOCK]
        # Most of a volume is background in both, eight voxels at a time.
        some = np.flatnonzero((p | r) != 0)  # of bool: twice as fast
        counts[:, 0] += 8 * (p.size - some.size)
        if some.size:
            counts += count(p[some].view(np.uint8), r[some].view(np.uint8), label_count)
    counts[:, 0] -= 8 * prediction.size - size
    return counts


def _words(labels: np.ndarray) -> np.ndarray:
    """The voxels (uint8) eight to a number; what is missing to eight is background."""
    flat = np.ascontiguousarray(labels).ravel().astype(np.uint8, casting="safe", copy=False)
    if flat.size % 8:
        flat = np.concatenate([flat, np.zeros(-flat.size % 8, np.uint8)])
    return flat.view(np.uint64)


def _count_by_label(p: np.ndarray, r: np.ndarray, label_count: int) -> np.ndarray:
    """What `_count` returns, in one pass a label."""
    counts = np.zeros((3, label_count), np.int64)
    counts[0, 0] = p.size - np.count_nonzero(p | r)
    counts[1:, 0] = p.size - np.count_nonzero(p), r.size - np.count_nonzero(r)
    for label in range(1, label_count):
        in_p, in_r = p == label, r == label
        counts[1:, label] = np.count_nonzero(in_p), np.count_nonzero(in_r)
        if counts[1, label] and counts[2, label]:
            counts[0, label] = np.count_nonzero(in_p & in_r)
    return counts


def _count_by_bin(p: np.ndarray, r: np.ndarray, label_count: int) -> np.ndarray:
    """The same in one pass for all labels."""
    # Where both say background there is nothing to tell apart, and that is most of a volume.
    foreground = np.flatnonzero(p | r)
    background = p.size - foreground.size
    p, r = p[foreground], r[foreground]
    ids = (p[p == r], p, r)
    counts = np.stack([np.bincount(i, minlength=label_count)[:label_count] for i in ids])
    counts[:, 0] += background
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
