"""Friedman's test over many contenders, and Nemenyi's critical difference of their mean ranks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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
    """Friedman and Nemenyi of `utility` (patients, contenders), larger is better, infinities allowed."""
    raise NotImplementedError
