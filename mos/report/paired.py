"""Tests of paired differences, many pairs of runs at a time: t, Wilcoxon signed-rank, Holm."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# Up to so many differences that are not zero, the signed-rank test is exact, whether tied or not.
EXACT = 50
# Differences closer than this are one: a mean over labels has rounding errors, and a rank sees them.
_DECIMALS = 10


@dataclass(frozen=True, kw_only=True)
class PairedT:
    """Paired t tests of pairs of runs, (pairs,) each."""

    count: np.ndarray  # differences there are
    t: np.ndarray
    p: np.ndarray  # two-sided
    dz: np.ndarray  # mean / sd of the differences (Cohen 1988; Lakens 2013)


@dataclass(frozen=True, kw_only=True)
class SignedRank:
    """Wilcoxon signed-rank tests of pairs of runs, (pairs,) each."""

    positive: np.ndarray  # differences above zero
    negative: np.ndarray
    plus: np.ndarray  # sum of the ranks of the positive differences
    minus: np.ndarray
    p: np.ndarray  # two-sided
    rank_biserial: np.ndarray  # (plus - minus) / (plus + minus) (Kerby 2014)


def t_tests(differences: np.ndarray) -> PairedT:
    """Student's paired t test of each row of `differences` (pairs, n); nan is left out.

    As `scipy.stats.ttest_rel`. Where all differences are equal, t and dz are infinite and p is 0, or
    t and dz are 0 and p is 1 if they are all zero; all are nan below two differences.
    """
    from scipy import (
        special,
    )  # as everywhere here: slow to import, and often all tests are remembered

    known = ~np.isnan(differences)
    count = known.sum(axis=1)
    enough = count > 1
    total = np.where(known, differences, 0).sum(axis=1)
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=enough)
    squares = (np.where(known, differences - mean[:, None], 0) ** 2).sum(axis=1)
    sd = np.sqrt(np.divide(squares, count - 1, out=np.full(len(count), np.nan), where=enough))
    noise = 10.0**-_DECIMALS
    sd = np.where(sd < noise, 0.0, sd)
    mean = np.where(np.abs(mean) < noise, 0.0, mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        dz = np.where((mean == 0) & enough, 0.0, mean / sd)
    t = dz * np.sqrt(count)
    p = 2 * special.stdtr(np.where(enough, count - 1, 1), -np.abs(t))
    return PairedT(count=count, t=t, p=np.where(enough, p, np.nan), dz=dz)


def signed_rank_tests(differences: np.ndarray) -> SignedRank:
    """Wilcoxon's signed-rank test of each row of `differences` (pairs, n).

    nan and zero are left out (Wilcoxon's own rule for zeros); infinities have the largest ranks and
    tie with each other. Up to EXACT differences the p value is exact, given the ranks with their
    ties (Streitberg & Rohmel 1986); beyond, the normal law is used with the variance corrected for
    ties and without correction for continuity, as `scipy.stats.wilcoxon` does. Without a difference
    p is 1, without a value it is nan.
    """
    found = rounded(np.where(np.isnan(differences), 0.0, differences))
    zeros = (found == 0).sum(axis=1)
    middle, ties = midranks(np.abs(found))
    # Zeros have the smallest ranks; without them all others move down by their number.
    ranks = np.where(found == 0, 0, middle - zeros[:, None])
    plus = np.where(found > 0, ranks, 0).sum(axis=1)
    minus = np.where(found < 0, ranks, 0).sum(axis=1)
    number = found.shape[1] - zeros
    p = np.where(np.isnan(differences).all(axis=1), np.nan, 1.0)
    many = number > EXACT
    # The sum of t^3 - t over groups of t tied ranks is that of t^2 - 1 over their members.
    tied = np.where(found == 0, 0, ties**2 - 1).sum(axis=1)
    p[many] = normal_p(plus, number, tied)[many]
    for row in np.flatnonzero((number > 0) & ~many):
        # Midranks are halves: doubled they are whole numbers.
        whole = np.rint(2 * np.sort(ranks[row][found[row] != 0])).astype(int)
        p[row] = _exact_p(tuple(whole.tolist()), round(2 * plus[row]))
    both = plus + minus
    return SignedRank(
        positive=(found > 0).sum(axis=1),
        negative=(found < 0).sum(axis=1),
        plus=plus,
        minus=minus,
        p=p,
        rank_biserial=np.divide(plus - minus, both, out=np.zeros(len(both)), where=both > 0),
    )


def rounded(values: np.ndarray) -> np.ndarray:
    """Without rounding errors, for ranks: what should be equal is."""
    return np.round(values, _DECIMALS)


def midranks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks within each row of `values` (rows, n), 1 for the smallest; equal values share their mean.

    Returns:
        (rows, n) ranks, as `scipy.stats.rankdata`; (rows, n) how many values share each rank.
    """
    order = np.argsort(values, axis=1, kind="stable")
    ascending = np.take_along_axis(values, order, axis=1)
    n = values.shape[1]
    place = np.arange(n)
    edge = np.ones((len(values), n + 1), bool)
    edge[:, 1:-1] = ascending[:, 1:] != ascending[:, :-1]
    first = np.maximum.accumulate(np.where(edge[:, :-1], place, 0), axis=1)
    last = np.minimum.accumulate(np.where(edge[:, 1:], place, n)[:, ::-1], axis=1)[:, ::-1]
    ranks, ties = np.empty((2, *values.shape))
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    np.put_along_axis(ties, order, last - first + 1.0, axis=1)
    return ranks, ties


def normal_p(plus: np.ndarray, number: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """Two-sided p of the signed-rank test by the normal law.

    Args:
        plus: (...) sums of positive ranks; number: of differences that are not zero; tied: sums of
            t^3 - t over groups of t tied ranks (Lehmann 1975).
    """
    from scipy import special

    variance = number * (number + 1) * (2 * number + 1) / 24 - tied / 48
    off = plus - number * (number + 1) / 4
    z = np.divide(off, np.sqrt(variance), out=np.zeros(off.shape), where=variance > 0)
    return 2 * special.ndtr(-np.abs(z))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of `p` (..., n), row by row; nan stays nan and is not counted.

    Holm 1979, A simple sequentially rejective multiple test procedure; R's p.adjust(p, "holm").
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, axis=-1)  # nan is last
    ascending = np.take_along_axis(p, order, axis=-1)
    count = (~np.isnan(p)).sum(axis=-1, keepdims=True)
    stepped = np.minimum(ascending * (count - np.arange(p.shape[-1])), 1.0)
    stepped = np.where(np.isnan(ascending), np.nan, np.fmax.accumulate(stepped, axis=-1))
    corrected = np.empty_like(p)
    np.put_along_axis(corrected, order, stepped, axis=-1)
    return corrected


def _exact_p(ranks: tuple[int, ...], plus: int) -> float:
    below = _chances(ranks)
    # The law is symmetric: a sum of at least x is as likely as one of at most the total less x.
    tail = min(plus, sum(ranks) - plus)
    return float(min(1.0, 2 * below[tail]))


@lru_cache(maxsize=1024)  # without ties all pairs with as many patients share one
def _chances(ranks: tuple[int, ...]) -> np.ndarray:
    """Chances that the ranks with a positive sign sum up to at most 0, 1, 2 ... if every sign is chance."""
    law = np.zeros(sum(ranks) + 1)
    law[0] = 1.0
    for rank in ranks:
        half = law / 2
        law = half.copy()
        law[rank:] += half[:-rank]
    return np.cumsum(law)
