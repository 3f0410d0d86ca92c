"""Scoring stored runs on sets they were not trained for; `zeroshot-metrics.pt` beside each epoch.

The file is a metric file like the others with rows of all sets: `set` (n) names each row's, and
`sets` says by name what was scored: {"sha256": of the content, "labels": ids, "volumes": tensor}.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mos.engine import checkpoint
from mos.engine.device import choose_machine, device_type
from mos.engine.distributed import Processes
from mos.engine.evaluate import evaluate
from mos.engine.progress import progress
from mos.engine.replace import replace_table
from mos.errors import BadInput
from mos.folders import WEIGHTS, epoch_folder, epoch_number, metric_file
from mos.metrics.tolerance import parse_tolerances
from mos.shapes import parse_labels
from run.baseline import metric_files
from run.baseline.dataset import volume_dataset
from run.baseline.found_runs import find_runs
from run.baseline.locked_runs import LockedRuns
from run.baseline.pool import cores, in_processes
from run.baseline.stored import (
    StoredRun,
    load_network,
    machine_for,
    open_stored,
    scoring_task,
    stored_epoch,
)
from run.baseline.zeroshot_set import (
    ForeignSet,
    about,
    asked_spacing,
    check_foreign,
    labels_to_score,
    open_foreign,
    predict_as_learnt,
    resampling_note,
    scored_labels,
)

STAGE = "zeroshot"


@dataclass(frozen=True)
class Job:
    """An epoch to score on sets: {name: labels}."""

    run: Path
    epoch: int
    sets: tuple[tuple[str, tuple[int, ...]], ...]
    device: str
    precision: str
    threads: int


@dataclass
class Outcome:
    """What the command did, for its last lines."""

    scored: int = 0
    had: int = 0
    scores: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def score_zeroshot(options: Any) -> Outcome:
    """Scores runs on every set asked for; what is there already stays.

    Raises:
        BadInput: no such run or set; a device or precision this machine does not have.
    """
    sets = _open_sets(options)
    runs = find_runs(options.run, options.setting)
    wanted = 1 if device_type(options.device) == "cuda" else options.jobs or cores()
    epochs = {run: _epochs(run, options.epoch) for run in runs}
    workers = max(1, min(wanted, sum(map(len, epochs.values()))))
    threads = options.threads or max(1, cores() // workers)
    outcome = Outcome()
    with LockedRuns() as locked:
        jobs = (
            job
            for run in runs
            for job in _begin(run, epochs[run], sets, options, threads, locked, outcome)
        )
        total = sum(map(len, epochs.values()))
        results = in_processes(score_epoch, jobs, workers)
        for job, result in progress(results, total=total, title=f"zero-shot, {len(runs)} runs"):
            _store(job, result, sets, outcome)
            locked.finish(job.run)
    return outcome


def _open_sets(options: Any) -> dict[str, tuple[ForeignSet, tuple[int, ...]]]:
    """The sets by name, each with the labels asked for."""
    names = list(dict.fromkeys(options.zeroshot_dataset.split(",")))
    text = options.zeroshot_dataset_labels
    lists = text.split(";") if text else [""] * len(names)
    if len(lists) != len(names):
        raise BadInput(
            f"--zeroshot_dataset_labels {text}: {len(lists)} lists for {len(names)} sets; give one for each, "
            "joined by ';', or leave the option out"
        )
    return {
        name: (open_foreign(name), parse_labels(one.strip()))
        for name, one in zip(names, lists, strict=True)
    }


def _epochs(run: Path, wanted: str) -> list[int]:
    """The stored epochs meant by `best`, `latest`, a number, or `all`; [] where there is none."""
    if wanted == "all":
        return checkpoint.stored_epochs(run)
    try:
        return [epoch_number(stored_epoch(run, wanted))]
    except BadInput:
        return []


def _begin(
    run: Path,
    epochs: list[int],
    sets: Mapping[str, tuple[ForeignSet, tuple[int, ...]]],
    options: Any,
    threads: int,
    locked: LockedRuns,
    outcome: Outcome,
) -> Iterator[Job]:
    """Locks a run and yields what is to be scored; what cannot be is said and left out."""
    named = outcome.refused if options.run else outcome.skipped
    try:
        if not epochs:
            stored_epoch(run, "best" if options.epoch == "all" else options.epoch)
        stored = open_stored(run)
    except BadInput as error:
        named.append(str(error))
        return
    fitting = {}
    for name, (foreign, asked) in sets.items():
        try:
            check_foreign(stored, foreign)
            fitting[name] = labels_to_score(stored, foreign, asked)
        except BadInput as error:
            named.append(str(error))
    try:
        locked.take(run)
    except BadInput as error:
        outcome.skipped.append(str(error))
        return
    jobs = []
    try:
        checkpoint.sweep(run)
        jobs = list(_jobs(stored, epochs, sets, fitting, options, threads, outcome))
    except BadInput as error:
        outcome.refused.append(str(error))
    locked.expect(run, len(jobs))
    yield from jobs


def _jobs(
    stored: StoredRun,
    epochs: list[int],
    sets: Mapping[str, tuple[ForeignSet, tuple[int, ...]]],
    fitting: Mapping[str, tuple[int, ...]],
    options: Any,
    threads: int,
    outcome: Outcome,
) -> Iterator[Job]:
    if not fitting:
        return
    machine = machine_for(options, stored.options, stored.record)
    noted = False
    for epoch in epochs:
        folder = epoch_folder(stored.folder, epoch)
        todo = {n: ids for n, ids in fitting.items() if not _has(stored, folder, sets[n][0], ids)}
        outcome.had += len(fitting) - len(todo)
        for name in () if noted else todo:
            if note := resampling_note(stored, sets[name][0]):
                print(f"note: {'/'.join(stored.folder.parts[-2:])}: {note}")
        noted = noted or bool(todo)
        if todo and (folder / WEIGHTS).exists():
            yield Job(
                run=stored.folder,
                epoch=epoch,
                sets=tuple(todo.items()),
                device=options.device,
                precision=machine.precision,
                threads=threads,
            )


def _has(stored: StoredRun, folder: Path, foreign: ForeignSet, labels: tuple[int, ...]) -> bool:
    """Whether the epoch's file has every score of the set, of the same file and labels."""
    path = metric_file(folder, STAGE)
    if not path.exists():
        return False
    table = metric_files.read_table(path)
    if table.get("sets", {}).get(foreign.name) != about(foreign, labels):
        return False
    rows = [row for row, name in enumerate(table["set"]) if name == foreign.name]
    own = metric_files.take_rows(table, rows)
    tolerance = parse_tolerances(stored.options.nsd_tolerance, stored.labels.count)
    return len(rows) > 0 and not metric_files.missing_cells(own, tolerance)


def _store(
    job: Job,
    result: Any,
    sets: Mapping[str, tuple[ForeignSet, tuple[int, ...]]],
    outcome: Outcome,
) -> None:
    """Puts the rows of the sets into the epoch's file; rows of others stay."""
    if isinstance(result, BadInput):
        outcome.refused.append(str(result))
        return
    path = metric_file(epoch_folder(job.run, job.epoch), STAGE)
    old = metric_files.read_table(path) if path.exists() else None
    kept = [row for row, name in enumerate(old["set"]) if name not in result] if old else []
    tables = [metric_files.take_rows(old, kept)] if kept else []
    known = {} if old is None else old["sets"]
    labels = dict(job.sets)
    for name, table in result.items():
        tables.append(table | {"set": [name] * len(table["case"])})
        known = known | {name: about(sets[name][0], labels[name])}
        mean = metric_files.finite_mean(table["dice"])
        outcome.scores.append(
            f"{'/'.join(job.run.parts[-2:])} epoch {job.epoch}, {name}: dice {mean:.4f} over "
            f"{len(table['case'])} cases, missed {int(table['missed'])}, invented {int(table['invented'])}"
        )
    joined = metric_files.join_rows(tables) | {"sets": known}
    if old is None or len(kept) == len(old["case"]):
        checkpoint.save_table(path, joined)  # nothing of the old file is lost
    else:
        replace_table(path, joined)
    outcome.scored += len(result)


@functools.lru_cache(maxsize=4)
def _foreign(name: str) -> ForeignSet:
    return open_foreign(name)


def score_epoch(job: Job) -> dict[str, metric_files.Table]:
    """Scores an epoch on its sets; runs in a process of its own, writes nothing."""
    stored = open_stored(job.run)
    machine = choose_machine(
        job.device, job.precision, job.threads, deterministic=stored.options.deterministic
    )
    network = load_network(stored, epoch_folder(job.run, job.epoch), machine)
    tables = {}
    for name, labels in job.sets:
        foreign = _foreign(name)
        data = volume_dataset(
            foreign.bundle,
            foreign.volumes,
            asked_spacing=asked_spacing(stored, foreign),
            device=machine.device,
            voxels="cpu",
        )
        task = scoring_task(stored, network, {STAGE: data}, scored_labels(stored, labels))
        task = dataclasses.replace(task, predict=predict_as_learnt(stored, task.predict))
        tables[name] = evaluate(task, STAGE, machine, Processes(), quiet=True)
    return tables
