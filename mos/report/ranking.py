"""Rankings of many runs, three ways, and how stable each is when patients are resampled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mos.report.collect import Collection
from mos.report.critical_difference import CriticalDifference
from mos.report.seeds import Contender

# Wiesenfarth et al. 2021, Methods and open-source toolkit for analyzing and visualizing challenge
# results; Maier-Hein et al. 2018, Why rankings of biomedical image analysis competitions ...
METHODS = ("aggregate-then-rank", "rank-then-aggregate", "test-based")


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to rank; every tuple is in the order of `Ranking.contenders`."""

    name: str  # one of METHODS
    scores: tuple[float, ...]  # mean of the metric; mean rank; share of others significantly beaten
    ranks: tuple[int, ...]  # 1 is best; equal ones share the better rank (1 2 2 4)
    shares: tuple[
        tuple[float, ...], ...
    ]  # [contender][rank - 1]: share of the draws with that rank
    low: tuple[int, ...]  # 95 % of the draws have ranks from low to high
    high: tuple[int, ...]
    median: tuple[float, ...]
    tau: float  # mean Kendall tau-b between the ranking and those of the draws; 1 is stable
    tau_low: float  # the middle 95 % of them
    tau_high: float


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Contenders of a dataset and stage ranked in one metric, over cases and labels that all have."""

    dataset: str
    stage: str
    metric: str
    contenders: tuple[str, ...]  # best mean rank first
    left_out: tuple[str, ...]  # have other cases or labels, or are not among the best of too many
    cases: int
    patients: int
    draws: int
    methods: dict[str, Method]
    critical_difference: CriticalDifference | None  # None below three contenders


def rankings(collection: Collection, contenders: Sequence[Contender]) -> list[Ranking]:
    """One ranking per dataset, stage and metric with at least two contenders on the same cases."""
    raise NotImplementedError
