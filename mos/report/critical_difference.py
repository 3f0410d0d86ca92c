"""Friedman's test over many contenders, and Nemenyi's critical difference of their mean ranks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mos.report.paired import midranks


@dataclass(frozen=True, kw_only=True)
class CriticalDifference:
    """What a critical-difference diagram shows (Demsar 2006); blocks are patients."""

    contenders: tuple[str, ...]  # best mean rank first
    mean_ranks: tuple[float, ...]  # 1 is best, k worst; ties share their ranks
    patients: int
    chi2: float  # Friedman's statistic, corrected for ties
    p: float
    difference: float  # Nemenyi's, at 5 %: mean ranks this far apart differ significantly
    # Bars of the diagram: first and last place of contenders that do not differ; none within another.
    groups: tuple[tuple[int, int], ...]


def critical_difference(
    utility: np.ndarray, contenders: Sequence[str], *, alpha: float = 0.05
) -> CriticalDifference | None:
    """Friedman's test and Nemenyi's critical difference.

    Demsar 2006, Statistical comparisons of classifiers over multiple data sets; Friedman's statistic
    is corrected for ties as in `scipy.stats.friedmanchisquare`.

    Args:
        utility: (patients, k), larger is better, infinities allowed.
        contenders: (k,) names.

    Returns:
        None for fewer than three contenders or two patients.
    """
    from scipy import special  # slow to import, and often all is remembered

    n, k = utility.shape
    if k < 3 or n < 2:
        return None
    ranks, ties = midranks(-utility)
    means = ranks.mean(axis=0)
    order = np.argsort(means.round(9), kind="stable")
    spread = n * k * (k + 1) - (ties**2 - 1).sum() / (k - 1)
    chi2 = 12 * n**2 * ((means - (k + 1) / 2) ** 2).sum() / spread if spread > 0 else 0.0
    difference = studentized_range(k, alpha) * np.sqrt(k * (k + 1) / (12 * n))
    return CriticalDifference(
        contenders=tuple(contenders[place] for place in order),
        mean_ranks=tuple(means[order].tolist()),
        patients=n,
        chi2=float(chi2),
        p=float(special.chdtrc(k - 1, chi2)),
        difference=float(difference),
        groups=_groups(means[order], difference),
    )


@lru_cache
def studentized_range(count: int, alpha: float) -> float:
    """The upper `alpha` point of the range of `count` independent standard normal values.

    That is the studentized range with infinite degrees of freedom; divided by the square root of 2
    it is the q of Demsar's table 5. `scipy.stats.studentized_range` gives the same, a second later.
    """
    from scipy import special

    x = np.linspace(-9, 9, 2001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        # The largest value is near x, and all others are at most `middle` below it.
        others = (special.ndtr(x) - special.ndtr(x - middle)) ** (count - 1)
        below = count * np.trapezoid(density * others, x)
        low, high = (middle, high) if below < 1 - alpha else (low, middle)
    return (low + high) / 2


def _groups(means: np.ndarray, difference: float) -> tuple[tuple[int, int], ...]:
    """Longest stretches of ascending mean ranks whose ends are less than `difference` apart."""
    found: list[tuple[int, int]] = []
    for first in range(len(means)):
        last = int(np.flatnonzero(means - means[first] < difference - 1e-12)[-1])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)
