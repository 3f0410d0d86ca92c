"""All statistics of a tree at once: comparisons, rankings, seeds."""

from dataclasses import dataclass

from mos.report.collect import Collection
from mos.report.compare import Comparisons
from mos.report.notice import Notice
from mos.report.ranking import Ranking
from mos.report.seeds import Contender, SeedLine


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What the report says beyond means; the page, the LaTeX tables and result.json read it."""

    contenders: tuple[Contender, ...]
    comparisons: Comparisons
    rankings: tuple[Ranking, ...]
    seeds: tuple[SeedLine, ...]
    notices: tuple[Notice, ...]  # what the comparisons restricted, and single seeds


def analyse(collection: Collection) -> Analysis:
    """Compares and ranks the runs of `collection`."""
    raise NotImplementedError
