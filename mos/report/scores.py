"""The rules of scores, written once: the mean of a case, and what is missed or invented.

`mos.metrics.segmentation` has the same rules for the training; `mos/report` reads files only and may
not import it, so tests/report/test_scores.py holds that the two agree.
"""

import numpy as np

STATES = ("not scored", "scored", "missed", "invented", "absent")
MASKED = "masked"  # of a landmark


def group_means(values: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """Means over the values of each group: of a case over its labels, or over the folds that scored it.

    Args:
        values: (n, k) scores.
        group: (n,) which group a row belongs to, 0..count-1.

    Returns:
        (count, k). nan values are left out; inf makes a mean inf; nan where nothing is left.
    """
    means = np.full((count, values.shape[1]), np.nan)
    for column, of in enumerate(values.T):
        known = ~np.isnan(of)
        totals = np.bincount(group[known], weights=of[known], minlength=count)
        counts = np.bincount(group[known], minlength=count)
        np.divide(totals, counts, out=means[:, column], where=counts > 0)
    return means


def case_means(table: np.ndarray) -> np.ndarray:
    """(..., n): the means of the rows of `table` (..., n, label_count), by the rule of `group_means`."""
    known = ~np.isnan(table)
    counts = known.sum(axis=-1)
    means = np.full(counts.shape, np.nan)
    np.divide(np.where(known, table, 0).sum(axis=-1), counts, out=means, where=counts > 0)
    return means


def states(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """What became of every structure, from its voxel counts; any shape.

    Returns:
        `scored` (in reference and prediction), `missed` (in the reference only), `invented` (in the
        prediction only), `absent` (in neither), or `not scored` where a count is nan.
    """
    in_reference, in_prediction = tp + fn > 0, tp + fp > 0
    return np.select(
        [np.isnan(tp + fp + fn), in_reference & in_prediction, in_reference, in_prediction],
        STATES[:4],
        default=STATES[4],
    )


def point_states(error: np.ndarray) -> np.ndarray:
    """What became of every landmark, from its radial error: `scored`, or `masked` where that is nan."""
    return np.where(np.isnan(error), MASKED, "scored")
