"""Runs that differ only in their seed are repetitions of one training: one contender in a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.report.collect import Collection
from mos.report.notice import Notice
from mos.report.run_record import Run


@dataclass(frozen=True, kw_only=True)
class Contender:
    """What is compared within a dataset: a run name, or several that differ only in their seed."""

    dataset: str
    name: str  # the run name that stands for it, unique in the dataset: the shortest of `runs`
    runs: tuple[str, ...]  # run names, one per seed
    seeds: tuple[str, ...]  # in the order of `runs`; "" where a run does not tell
    order: tuple  # sorts contenders as the tables sort lines

    @property
    def title(self) -> str:
        """`unet-2d-none`, or `unet-2d-none (3 seeds)`."""
        return self.name + (f" ({len(self.runs)} seeds)" if len(self.runs) > 1 else "")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """One metric over the seeds of a contender, over the cases that are finite for every seed."""

    means: tuple[float, ...]  # one per seed
    mean: float  # over the seeds
    sd: float  # between the seeds, divided by count - 1
    left_out: int  # cases that are infinite or undefined for at least one seed


@dataclass(frozen=True, kw_only=True)
class SeedLine:
    """The repetitions of one contender in a dataset and stage, over the cases that all of them have."""

    contender: Contender
    dataset: str
    stage: str
    cases: int
    patients: int
    metrics: dict[str, Spread]


def find_contenders(runs: Sequence[Run]) -> list[Contender]:
    """The contenders of every dataset, sorted as the tables sort their lines."""
    raise NotImplementedError


def seed_lines(collection: Collection, contenders: Sequence[Contender]) -> list[SeedLine]:
    """One line per contender with several seeds, and stage."""
    raise NotImplementedError


def seed_notices(contenders: Sequence[Contender]) -> list[Notice]:
    """Says which contenders are one training only."""
    raise NotImplementedError
