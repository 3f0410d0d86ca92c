"""What is reckoned from probabilities: their weighted mean, what is kept, how sure they are, agreement."""

from collections.abc import Sequence

import numpy as np

from mos.metrics.overlap import dice, overlap_counts


def mean_probabilities(parts: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """The weighted mean of probabilities: sum of weight x part, over the sum of weights.

    Args:
        parts: arrays of one shape, (label_count, d, h, w).
        weights: one each, positive.

    Returns:
        float32 of that shape; where each part adds up to 1 over the labels, so does the mean.
    """
    total = np.zeros(parts[0].shape, np.float64)
    for part, weight in zip(parts, weights, strict=True):
        total += weight * part.astype(np.float64)
    return (total / sum(weights)).astype(np.float32)


def keep_labels(probabilities: np.ndarray, outputs: Sequence[int]) -> np.ndarray:
    """Adds the probabilities of ids that are not put out to background, as the marginal loss does.

    Args:
        probabilities: (label_count, d, h, w), sum 1 over labels.
    """
    kept = np.zeros_like(probabilities)
    kept[list(outputs)] = probabilities[list(outputs)]
    kept[0] = 1 - kept[1:].sum(0)
    return kept


def case_confidence(probabilities: np.ndarray, outputs: Sequence[int]) -> float:
    """How good a prediction thinks it is, 0..1: the dice it expects of itself, averaged over the ids.

    For one id with probabilities p and predicted voxels Y that is 2 sum(p in Y) / (|Y| + sum p): what is
    predicted half-heartedly lowers it, and so does what is half-seen and not predicted. An id that is
    neither predicted nor expected (sum p below one voxel) does not count; where none counts it is 0.

    Args:
        probabilities: (label_count, d, h, w), sum 1 over labels.
    """
    chosen = probabilities.argmax(0)
    values = []
    for label in outputs:
        mask, expected = chosen == label, float(probabilities[label].sum(dtype=np.float64))
        if mask.any() or expected >= 1:
            right = float(probabilities[label][mask].sum(dtype=np.float64))
            values.append(2 * right / (int(mask.sum()) + expected))
    return float(np.mean(values)) if values else 0.0


def dice_of(a: np.ndarray, b: np.ndarray, labels: Sequence[int]) -> dict[str, float]:
    """Dice 0..1 of two label maps by id as text; ids that are in neither are left out."""
    values = dice(*overlap_counts(a, b, max(labels) + 1))
    return {str(i): round(float(values[i]), 4) for i in labels if np.isfinite(values[i])}
