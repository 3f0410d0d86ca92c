"""Three ways to rank contenders by their scores, each repeated for patients drawn with replacement."""

from dataclasses import dataclass

import numpy as np

from mos.report.compare import SIGNIFICANT
from mos.report.differences import patient_utility, utility_differences
from mos.report.paired import holm, midranks, normal_p, rounded, signed_rank_tests
from mos.report.statistics import times_drawn

# Wiesenfarth et al. 2021, Methods and open-source toolkit for analyzing and visualizing challenge
# results; Maier-Hein et al. 2018, Why rankings of biomedical image analysis competitions should be
# interpreted with care.
METHODS = ("aggregate-then-rank", "rank-then-aggregate", "test-based")
DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to rank; every tuple is in the order of `Ranking.contenders`."""

    name: str  # one of METHODS
    scores: tuple[float, ...]  # mean of the metric; mean rank; share of others significantly beaten
    ranks: tuple[int, ...]  # 1 is best; equal ones share the better rank (1 2 2 4)
    draws: int  # patients resampled so many times
    shares: tuple[
        tuple[float, ...], ...
    ]  # [contender][rank - 1]: share of the draws with that rank
    low: tuple[int, ...]  # 95 % of the draws have ranks from low to high
    high: tuple[int, ...]
    median: tuple[float, ...]
    tau: float  # mean Kendall tau-b between the ranking and those of the draws; 1 is stable
    tau_low: float  # the middle 95 % of them
    tau_high: float


def rank_three_ways(
    scores: np.ndarray,
    patient: np.ndarray,
    *,
    higher_is_better: bool,
    draws: int = DRAWS,
    work: int = 15_000_000,
) -> dict[str, Method]:
    """Ranks contenders by METHODS, and again for patients drawn with replacement.

    - aggregate-then-rank: by the mean over cases, as the tables mark the best: fewest infinite scores
      first, then the mean of the finite ones
    - rank-then-aggregate: by the mean over patients of the ranks within each patient, whose cases
      are averaged first; infinite is worst
    - test-based: by how many others are beaten by the Wilcoxon signed-rank test, two-sided,
      Holm-corrected over all pairs, at 5 %; drawn patients are tested by the normal law

    Args:
        scores: (k, n), inf where a structure was missed or invented, nan where there was nothing.
        patient: (n,) sorted, without gaps: whose case.
        work: the test-based ranking is drawn less often where pairs x patients x draws exceeds it.
    """
    utility = patient_utility(scores, patient, higher_is_better)
    patients = utility.shape[1]
    # The first row is the patients as they are; all others are draws.
    times = np.vstack([np.ones(patients), times_drawn(patients, draws, 0)])
    means, ranks = _by_means(scores, patient, times, higher_is_better)
    found = {METHODS[0]: _method(METHODS[0], means, ranks)}
    within = midranks(rounded(-utility.T))[0]
    mean_ranks = times @ within / patients
    found[METHODS[1]] = _method(METHODS[1], mean_ranks[0], _ranks(mean_ranks))
    k = len(scores)
    fewer = min(draws, max(100, work // (k * (k - 1) // 2 * patients)))
    beaten = _beaten(utility, times[: fewer + 1])
    found[METHODS[2]] = _method(METHODS[2], beaten[0], _ranks(-beaten))
    return found


def kendall(ranks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of `ranks` (k,) with each row of `others` (rows, k); nan where one is all ties."""
    upper = np.triu_indices(len(ranks), 1)
    signs = np.sign(ranks[upper[0]] - ranks[upper[1]])
    others = np.sign(others[:, upper[0]] - others[:, upper[1]])
    size = np.sqrt(np.abs(signs).sum() * np.abs(others).sum(axis=1))
    return np.divide(others @ signs, size, out=np.full(len(others), np.nan), where=size > 0)


def _by_means(
    scores: np.ndarray, patient: np.ndarray, times: np.ndarray, higher_is_better: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(k,) means of all cases; (rows of `times`, k) ranks."""
    finite = np.isfinite(scores)
    starts = np.flatnonzero(np.diff(patient, prepend=-1))
    columns = (np.where(finite, scores, 0), finite.astype(float), np.isinf(scores).astype(float))
    total, count, infinite = (
        times @ np.add.reduceat(column, starts, axis=1).T for column in columns
    )
    means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    worth = np.where(np.isnan(means), -np.inf, means if higher_is_better else -means).round(9)
    fewer = infinite[:, None, :] < infinite[:, :, None]
    same = infinite[:, None, :] == infinite[:, :, None]
    ahead = fewer | (same & (worth[:, None, :] > worth[:, :, None]))
    return means[0], 1 + ahead.sum(axis=2)


def _ranks(values: np.ndarray) -> np.ndarray:
    """(rows, k) ranks within each row, 1 for the smallest; equal ones share the better rank."""
    values = values.round(9)
    return 1 + (values[:, None, :] < values[:, :, None]).sum(axis=2)


def _beaten(utility: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(rows of `times`, k): share of the others that each contender is significantly better than."""
    k = len(utility)
    first, second = np.triu_indices(k, 1)
    delta = rounded(utility_differences(utility[first], utility[second]))
    p, ahead = np.empty((2, len(times), len(first)))
    for pair, row in enumerate(delta):
        p[:, pair], ahead[:, pair] = _drawn_tests(row, times)
    p[0] = signed_rank_tests(delta).p
    significant = holm(p) < SIGNIFICANT
    won = np.zeros((len(times), k))
    for pair, (a, b) in enumerate(zip(first, second)):
        won[:, a] += significant[:, pair] & (ahead[:, pair] > 0)
        won[:, b] += significant[:, pair] & (ahead[:, pair] < 0)
    return won / (k - 1)


def _drawn_tests(delta: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed-rank tests of differences that count several times.

    A patient drawn three times is three ties. The differences are sorted once; the ranks of a draw
    follow from how often each was drawn.

    Args:
        delta: (patients,) differences.
        times: (rows, patients) how often each counts.

    Returns:
        (rows,) two-sided p by the normal law; (rows,) rank sum of the positive ones above its mean.
    """
    order = np.argsort(np.abs(delta), kind="stable")
    order = order[delta[order] != 0]
    if not len(order):
        return np.ones(len(times)), np.zeros(len(times))
    size = np.abs(delta[order])
    starts = np.flatnonzero(np.concatenate([[True], size[1:] != size[:-1]]))
    drawn = times[:, order]
    tied = np.add.reduceat(drawn, starts, axis=1)
    positive = np.add.reduceat(drawn * (delta[order] > 0), starts, axis=1)
    middle = np.cumsum(tied, axis=1) - (tied - 1) / 2
    number, plus = tied.sum(axis=1), (middle * positive).sum(axis=1)
    p = normal_p(plus, number, (tied**3 - tied).sum(axis=1))
    return p, plus - number * (number + 1) / 4


def _method(name: str, scores: np.ndarray, ranks: np.ndarray) -> Method:
    """From scores (k,) and ranks (1 + draws, k), the first row those of all patients."""
    whole, drawn = ranks[0], ranks[1:]
    k = len(whole)
    shares = np.stack([(drawn == rank).mean(axis=0) for rank in range(1, k + 1)], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0, method="inverted_cdf")
    tau = kendall(whole, drawn)
    known = tau[~np.isnan(tau)]
    tau_low, tau_high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return Method(
        name=name,
        scores=tuple(scores.tolist()),
        ranks=tuple(whole.tolist()),
        draws=len(drawn),
        shares=tuple(tuple(row) for row in shares.tolist()),
        low=tuple(int(rank) for rank in low),
        high=tuple(int(rank) for rank in high),
        median=tuple(np.median(drawn, axis=0).tolist()),
        tau=float(known.mean()) if len(known) else float("nan"),
        tau_low=float(tau_low),
        tau_high=float(tau_high),
    )
