"""Runs that differ only in their seed are repetitions of one training: one contender in a comparison."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mos.report.alike import facts
from mos.report.notice import Notice
from mos.report.run_record import Run

# What says which seed it was and what the folder is called. The network is compared by itself.
_NAMES = frozenset("seed identity.seed tag dir_postfix".split())


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

    means: tuple[float, ...]  # one per seed: mean over these cases
    mean: float  # over the seeds
    sd: float  # between the seeds, divided by count - 1
    cases: int  # finite for every seed
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
    """The contenders of every dataset, sorted as the tables sort their lines.

    Two run names are repetitions if run.json says the same of both in everything but the seed, the
    name and what never counts (`mos.report.alike.INCIDENTAL`), their seeds differ, and they share a
    fold. The names decide nothing.
    """
    rows: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        rows[run.dataset, run.name].append(run)
    groups: dict[tuple, list[tuple[str, str, frozenset[str], tuple]]] = defaultdict(list)
    for (dataset, name), folds in rows.items():
        seed = ", ".join(sorted({_seed(run) for run in folds}))
        training = _training(folds) if seed and all(run.record for run in folds) else name
        member = (name, seed, frozenset(run.fold for run in folds), folds[0].order)
        groups[dataset, training].append(member)
    found = []
    for (dataset, _), members in groups.items():
        teams: list[list[tuple[str, str, frozenset[str], tuple]]] = []
        for member in sorted(members, key=lambda one: (len(one[0]), one[0])):
            for team in teams:
                shared = member[2].intersection(*(one[2] for one in team))
                if shared and member[1] not in {one[1] for one in team}:
                    team.append(member)
                    break
            else:
                teams.append([member])
        found += [_contender(dataset, team) for team in teams]
    return sorted(found, key=lambda one: (one.dataset, one.order))


def seed_notices(contenders: Sequence[Contender]) -> list[Notice]:
    """Says which rows are one training only, so that luck cannot be told from merit."""
    single: dict[str, int] = defaultdict(int)
    several: dict[str, int] = defaultdict(int)
    for one in contenders:
        (several if len(one.runs) > 1 else single)[one.dataset] += 1
    unknown = "so the spread between trainings is not known"
    if single and not several:
        text = f"one run per cell: no seeds, {unknown}"
        return [Notice(kind="seeds", dataset="", run="", setting="", text=text)]
    notices = []
    for dataset, count in single.items():
        what = f"{count} of {count + several[dataset]} trainings have one seed"
        if not several[dataset]:
            what = "one run per cell: no seeds"
        text = f"{what}, {unknown}"
        notices.append(Notice(kind="seeds", dataset=dataset, run="", setting="", text=text))
    return notices


def _contender(dataset: str, team: Sequence[tuple[str, str, frozenset[str], tuple]]) -> Contender:
    first = team[0]  # the shortest name
    team = sorted(team, key=lambda one: (_natural(one[1]), one[0]))
    return Contender(
        dataset=dataset,
        name=first[0],
        runs=tuple(one[0] for one in team),
        seeds=tuple(one[1] for one in team),
        order=first[3],
    )


def _natural(seed: str) -> tuple[int, str]:
    return (int(seed), "") if seed.isdecimal() else (1 << 62, seed)


def _seed(run: Run) -> str:
    options = run.record.get("options")
    seed = options.get("seed") if isinstance(options, Mapping) else None
    seed = run.record.get("seed") if seed is None else seed
    return "" if seed is None else str(seed)


def _training(folds: Sequence[Run]) -> frozenset:
    """What the trainings of a row are, without seed and names; equal for repetitions."""
    return frozenset(
        (run.network, run.dims, run.aux)
        + tuple(sorted((k, v) for k, v in facts(run).items() if k not in _NAMES))
        for run in folds
    )
