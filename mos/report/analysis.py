"""All statistics of a tree at once: comparisons, rankings, seeds."""

from dataclasses import dataclass

from mos.report.collect import Collection
from mos.report.compare import Comparisons, compare
from mos.report.notice import Notice
from mos.report.ranking import Ranking, rankings
from mos.report.seed_table import seed_lines
from mos.report.seeds import Contender, SeedLine, find_contenders
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
    contenders = find_contenders(collection.runs)
    rows = collection.rows
    found = sheets(rows[(rows["stage"] != "valid").to_numpy(bool)], contenders)
    return Analysis(
        contenders=tuple(contenders),
        comparisons=compare(found, contenders, collection.cache),
        rankings=tuple(rankings(found, collection.cache)),
        seeds=tuple(seed_lines(found)),
    )
