"""All statistics of a tree at once: comparisons, rankings, seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.report.cache import pack_name
from mos.report.collection import Collection
from mos.report.compare import Comparison, Comparisons, compare
from mos.report.critical_difference import CriticalDifference
from mos.report.notice import Notice
from mos.report.rank_methods import Method
from mos.report.ranking import Ranking, rankings
from mos.report.remembered import remembered
from mos.report.seed_table import seed_lines
from mos.report.seeds import Contender, SeedLine, Spread, find_contenders
from mos.report.sheet import sheets


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What the report says beyond means; the page, the LaTeX tables and result.json read it."""

    contenders: tuple[Contender, ...]
    comparisons: Comparisons
    rankings: tuple[Ranking, ...]
    seeds: tuple[SeedLine, ...]

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Families of comparisons that were restricted. Single seeds are in the collection's."""
        return self.comparisons.notices


def analyse(collection: Collection) -> Analysis:
    """Compares and ranks the runs of `collection`, per dataset and stage: test and zero-shot sets.

    Not validation: its cases chose the epoch, so they cannot test it.
    """
    contenders = remembered(
        collection.cache,
        "contenders",
        [run.told for run in collection.runs],
        lambda: find_contenders(collection.runs),
        [Contender],
    )
    tested = [(dataset, stage) for dataset, stage in collection.stages if stage != "valid"]
    inputs = [collection.inputs(dataset, stage) for dataset, stage in tested]
    if None in inputs:
        return _analyse(collection, contenders)
    packs = [f"{dataset} {stage}" for dataset, stage in tested]
    return remembered(
        collection.cache,
        "analysis",
        [repr(contenders), *(text for texts in inputs for text in texts)],
        lambda: _analyse(collection, contenders),
        _KINDS,
        # One run that has changed leaves the other datasets as they are.
        stays=[pack_name(what, pack) for what in ("compare", "rankings") for pack in packs],
    )


def _analyse(collection: Collection, contenders: Sequence[Contender]) -> Analysis:
    rows = collection.rows
    found = sheets(rows[(rows["stage"] != "valid").to_numpy(bool)], contenders)
    return Analysis(
        contenders=tuple(contenders),
        comparisons=compare(found, contenders, collection.cache),
        rankings=tuple(rankings(found, collection.cache)),
        seeds=tuple(seed_lines(found)),
    )


_KINDS = (
    *(Analysis, Comparisons, Comparison, Contender, Notice),
    *(Ranking, Method, CriticalDifference, SeedLine, Spread),
)
