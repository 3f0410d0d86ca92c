"""Paired comparisons of runs: the same cases, by their ids, in both."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np

from mos.report.cache import Cache
from mos.report.metric import BY_KEY
from mos.report.notice import Notice
from mos.report.paired import holm
from mos.report.pairs import compared_pairs
from mos.report.seeds import Contender
from mos.report.sheet import Sheet

SIGNIFICANT = 0.05
# Of so many contenders of a dataset and stage every pair is compared, of more all with the best.
LIMIT = 20
# And where a tree has many datasets, its largest families give way until so many tests are left.
MOST_TESTS = 40_000


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
        """The contender that the rank test finds better; "" where the signed ranks are equal."""
        if not self.rank_biserial or np.isnan(self.rank_biserial):
            return ""
        higher = BY_KEY[self.metric].higher_is_better
        return self.first if (self.rank_biserial > 0) == higher else self.second

    def turned(self) -> "Comparison":
        """The same comparison with first and second exchanged."""
        swaps = {"first": "second", "only_first": "only_second", "first_mean": "second_mean"}
        swaps |= {"first_better": "second_better"}
        swaps |= {second: first for first, second in swaps.items()}
        changed = {name: getattr(self, other) for name, other in swaps.items()}
        changed |= {
            name: -getattr(self, name) for name in ("difference", "t", "dz", "rank_biserial")
        }
        return replace(self, **changed, low=-self.high, high=-self.low)


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
        first, second = (self._names.get((dataset, name), name) for name in (run, other))
        found = self._index.get((dataset, stage, label, metric, first, second))
        if found is None:
            found = self._index.get((dataset, stage, label, metric, second, first))
            return found and found.turned()
        return found

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
        names, found = self._names, set()
        for run in runs:
            entry = self.between(dataset, stage, label, metric, best, run)
            repetition = names.get((dataset, run), run) == names.get((dataset, best), best)
            if run != best and (repetition or (entry is not None and not entry.significant)):
                found.add(run)
        return frozenset(found)

    @cached_property
    def _names(self) -> dict[tuple[str, str], str]:
        return {(one.dataset, run): one.name for one in self.contenders for run in one.runs}

    @cached_property
    def _index(self) -> dict[tuple, Comparison]:
        return {
            (one.dataset, one.stage, one.label, one.metric, one.first, one.second): one
            for one in self.entries
        }


def compare(
    sheets: Sequence[Sheet], contenders: Sequence[Contender], cache: Cache | None = None
) -> Comparisons:
    """Compares the contenders of each dataset, stage and metric: all labels, then each label.

    Holm's correction counts one family per dataset, stage and metric for all labels, and another for
    the labels one by one, over all of them.
    """
    entries, notices = [], []
    cache = cache or Cache(None)
    for sheet, every in zip(sheets, _complete(sheets)):
        # As bare values: there are thousands, and what describes each would cost more than they do.
        table = cache.remember(
            "compare",
            [*sheet.parts, str(every)],
            lambda: list(map(_values, _families(sheet, every))),
            pack=f"{sheet.dataset} {sheet.stage}",
        )
        found = [Comparison(**dict(zip(_FIELDS, row))) for row in table]
        entries += found
        texts = [_too_few(sheet.stage, found)]
        if not every:
            texts.append(
                f"{sheet.stage}: {len(sheet.contenders)} runs are too many to compare every pair; "
                "in each metric the best is compared with all others"
            )
        notices += [
            Notice(kind="comparisons", dataset=sheet.dataset, run="", setting="", text=text)
            for text in filter(None, texts)
        ]
    return Comparisons(entries=tuple(entries), contenders=tuple(contenders), notices=tuple(notices))


def _too_few(stage: str, entries: Sequence[Comparison]) -> str:
    """The sentence on a test that cannot tell anything apart, however large the differences are."""
    mine = [one for one in entries if one.label is None]
    patients = max((one.rank_patients for one in mine), default=0)
    pairs = max((one.family for one in mine), default=0)
    # All signs alike is one of 2^patients outcomes; so is all signs alike the other way round.
    least = pairs * 2.0 ** (1 - patients)
    if not mine or least < SIGNIFICANT:
        return ""
    return (
        f"{stage}: with {patients} patients and {pairs} {'pair' if pairs == 1 else 'pairs'} no difference "
        f"can be significant: the smallest p of Wilcoxon's test, corrected, is {min(1, least):.2g}"
    )


def _complete(sheets: Sequence[Sheet]) -> list[bool]:
    """Whether every pair of a sheet is compared."""
    counts = [len(sheet.contenders) for sheet in sheets]
    complete = [count <= LIMIT for count in counts]
    tests = [
        (count * (count - 1) // 2 if every else count - 1)
        * len(sheet.metrics)
        * (1 + len(sheet.labels))
        for sheet, count, every in zip(sheets, counts, complete)
    ]
    for place in sorted(range(len(sheets)), key=lambda place: -tests[place]):
        if sum(tests) <= MOST_TESTS:
            break
        if complete[place] and counts[place] > 2:
            complete[place] = False
            tests[place] = tests[place] * 2 // counts[place]
    return complete


def _families(sheet: Sheet, every: bool) -> list[Comparison]:
    """The comparisons of a sheet: all labels first, then label by label, corrected family by family."""
    found = compared_pairs(sheet, None, every)
    per_label = [
        one for place in range(len(sheet.labels)) for one in compared_pairs(sheet, place, every)
    ]
    return _corrected(found) + _corrected(per_label)


def _corrected(entries: Sequence[dict[str, Any]]) -> list[Comparison]:
    """From the columns of comparisons without their corrected p values."""
    families = defaultdict(list)
    for one in entries:
        families[one["metric"]].append(one)
    found = []
    for family in families.values():
        p, t_p = np.array([(one["p"], one["t_p"]) for one in family]).T
        count = int((~np.isnan(p)).sum())
        for one, p_holm, t_p_holm in zip(family, holm(p).tolist(), holm(t_p).tolist()):
            found.append(Comparison(**one, p_holm=p_holm, t_p_holm=t_p_holm, family=count))
    return found


_FIELDS = [field.name for field in fields(Comparison)]
_values = attrgetter(*_FIELDS)
