"""Paired comparisons of runs: the same cases, by their ids, in both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mos.report.collect import Collection
from mos.report.notice import Notice
from mos.report.seeds import Contender

SIGNIFICANT = 0.05


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two contenders in one metric. Differences and effect sizes are first minus second.

    The mean difference is over cases, as the means of the tables are. The patient is the unit of
    both tests and effect sizes: several cases of a patient are averaged first.
    """

    dataset: str
    stage: str
    label: int | None  # None: each case counts with the mean of its scored labels
    label_name: str
    metric: str  # its key
    first: str  # a contender's name
    second: str
    cases: int  # with a finite difference: those the mean difference and the t test are about
    patients: int  # of these
    infinite: (
        int  # cases left out of the difference: a structure missed or invented; ranks have them
    )
    undefined: int  # cases left out of the difference: nothing to score in one of the two
    only_first: int  # cases that the other lacks
    only_second: int
    first_mean: float  # over `cases`
    second_mean: float
    difference: float
    low: float  # 95 % interval of the difference, patients resampled
    high: float
    t: float  # paired t statistic
    t_p: float  # two-sided
    t_p_holm: float  # Holm over the family
    dz: float  # Cohen's d of paired differences: their mean / their sd
    rank_patients: int  # patients in the rank test, infinite ones included
    first_better: int  # of these
    second_better: int
    wilcoxon: float  # the smaller of the two sums of signed ranks
    p: float  # Wilcoxon signed-rank, two-sided
    p_holm: float
    rank_biserial: float  # matched pairs, -1 to 1: (W+ - W-) / (W+ + W-)
    family: int  # tests that Holm's correction counted

    @property
    def significant(self) -> bool:
        """By the Wilcoxon signed-rank test, Holm-corrected, at 5 %."""
        return self.p_holm < SIGNIFICANT

    @property
    def favours(self) -> str:
        """The contender that is better by the rank test's sums; "" where they are equal."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Comparisons:
    """All comparisons of a tree. Where a family was restricted, a notice says so."""

    entries: tuple[Comparison, ...]
    contenders: tuple[Contender, ...]
    notices: tuple[Notice, ...]

    def between(
        self, dataset: str, stage: str, label: int | None, metric: str, run: str, other: str
    ) -> Comparison | None:
        """The comparison of two run names (or contenders), turned so that `run` is first.

        None where it was not made: a family too large, no shared case, repetitions of each other.
        """
        raise NotImplementedError

    def same_as(
        self,
        dataset: str,
        stage: str,
        label: int | None,
        metric: str,
        best: str,
        runs: Sequence[str],
    ) -> frozenset[str]:
        """Those of `runs` that do not differ significantly from the run `best` (itself left out).

        By Wilcoxon signed-rank with Holm's correction over the family; repetitions of `best` with
        another seed are among them; runs it was not compared with are not.
        """
        raise NotImplementedError


def compare(collection: Collection, contenders: Sequence[Contender]) -> Comparisons:
    """Compares all pairs of contenders of each dataset, stage, metric; all labels, then each label."""
    raise NotImplementedError


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction of `p` (n,); nan stays nan and is not counted.

    Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    raise NotImplementedError
