"""Everything one says about pairs of contenders in one metric, from arrays of their scores."""

from collections.abc import Mapping

import numpy as np

from mos.report.paired import signed_rank_tests, t_tests
from mos.report.sheet import grouped_mean
from mos.report.statistics import BOOTSTRAP_DRAWS, middle, times_drawn


def differences(
    first: np.ndarray,
    second: np.ndarray,
    counted: np.ndarray,
    patient: np.ndarray,
    *,
    higher_is_better: bool,
    confidence: float = 0.95,
) -> Mapping[str, np.ndarray]:
    """Compares pairs of contenders, first minus second, on the cases `counted`.

    Args:
        first, second: (pairs, n) scores of the same cases; inf where a structure was missed or
            invented, nan where there was nothing to score, rightly.
        counted: (n,) bool, cases that all have a verdict on.
        patient: (n,) sorted, without gaps: whose case.

    Returns:
        The columns of `mos.report.compare.Comparison` from `cases` to `rank_biserial`, (pairs,) each,
        without the corrected p values.
    """
    first, second = first[:, counted], second[:, counted]
    _, patient = np.unique(patient[counted], return_inverse=True)
    undefined = np.isnan(first) | np.isnan(second)
    finite = np.isfinite(first) & np.isfinite(second)
    delta = np.subtract(first, second, out=np.full(first.shape, np.nan), where=finite)
    count = finite.sum(axis=1)
    per_patient = _patient_means(delta, patient)
    low, high = _intervals(delta, patient, confidence)
    t = t_tests(per_patient)
    sign = 1.0 if higher_is_better else -1.0
    ranked = utility_differences(
        *(patient_utility(scores, patient, higher_is_better) for scores in (first, second))
    )
    ranks = signed_rank_tests(sign * ranked)
    positive, negative = ranks.positive, ranks.negative
    return {
        "cases": count,
        "patients": t.count,
        "infinite": (~finite & ~undefined).sum(axis=1),
        "undefined": undefined.sum(axis=1),
        "first_mean": _mean(np.where(finite, first, 0), count),
        "second_mean": _mean(np.where(finite, second, 0), count),
        "difference": _mean(np.where(finite, delta, 0), count),
        "low": low,
        "high": high,
        "t": t.t,
        "t_p": t.p,
        "dz": t.dz,
        "rank_patients": np.full(len(first), ranked.shape[1]),
        "first_better": positive if higher_is_better else negative,
        "second_better": negative if higher_is_better else positive,
        "wilcoxon": np.minimum(ranks.plus, ranks.minus),
        "p": ranks.p,
        "rank_biserial": ranks.rank_biserial,
    }


def patient_utility(scores: np.ndarray, patient: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """How good each contender is on each patient, for ranks: larger is better.

    The mean over the cases of a patient; -inf where a distance is infinite. Where a patient has
    nothing to score, the contender rightly found nothing: that is as good as can be, inf, and beats
    those who invented something.

    Args:
        scores: (contenders, n), nan where there is nothing to score.
        patient: (n,) sorted, without gaps.

    Returns:
        (contenders, patients).
    """
    means = _patient_means(scores, patient)
    return np.where(np.isnan(means), np.inf, means if higher_is_better else -means)


def utility_differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """first - second, where two infinities of one sign are equal."""
    equal = first == second
    return np.subtract(first, second, out=np.zeros(first.shape), where=~equal)


def _patient_means(scores: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """(rows, n) -> (rows, patients), nan left out."""
    return grouped_mean(scores.T, patient, patient.max(initial=-1) + 1).T


def _mean(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(values.sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0)


def _intervals(
    delta: np.ndarray, patient: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap intervals of the mean over cases, as `statistics.bootstrap_interval` of each row."""
    known = ~np.isnan(delta)
    patients = patient.max(initial=-1) + 1
    starts = np.flatnonzero(np.diff(patient, prepend=-1))
    totals = np.add.reduceat(np.where(known, delta, 0), starts, axis=1)
    counts = np.add.reduceat(known.astype(float), starts, axis=1)
    low, high = np.full((2, len(delta)), np.nan)
    # Only patients that a pair has can be drawn for it. Pairs with as many patients share the draws:
    # drawn are places in the list of the patients that a pair has.
    present = counts > 0
    number = present.sum(axis=1)
    for having in np.unique(number[number > 1]):
        rows = number == having
        shown = present[rows]
        times = times_drawn(int(having), BOOTSTRAP_DRAWS, 0).T
        means = totals[rows][shown].reshape(-1, having) @ times
        means /= counts[rows][shown].reshape(-1, having) @ times
        low[rows], high[rows] = middle(means, confidence)
    return low, high
