"""Scoring stored epochs again: metrics that are missing are filled in, old files are kept once."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mos.engine import checkpoint
from mos.engine.device import device_type
from mos.engine.fit import choose_best
from mos.engine.progress import progress
from mos.engine.replace import is_replaced, replace_table
from mos.errors import BadInput
from mos.folders import (
    BEST,
    WEIGHTS,
    epoch_folder,
    epoch_folders,
    metric_file,
)
from mos.metrics.tolerance import parse_tolerances
from run.baseline import metric_files
from run.baseline.found_runs import find_runs
from run.baseline.journal import Journal
from run.baseline.locked_runs import LockedRuns
from run.baseline.pool import cores, in_processes
from run.baseline.re_eval_job import Job, score_epoch
from run.baseline.re_eval_outcome import Outcome
from run.baseline.stored import StoredRun, machine_for, open_dataset, open_stored

STAGES = ("valid", "test")


def re_evaluate(options: Any) -> Outcome:
    """Brings the metric files of stored runs up to date.

    `complete` fills in what is missing: a metric that counts alone decide from the file itself, also
    where the weights were thinned out; the others from the weights. Values that are there stay, and
    those scored again must agree with them. `normal` scores anew what has no `.bk` yet, `force` all.

    Args:
        options: `run.baseline.cmd.re_eval.Options`.

    Returns:
        What was done; `refused` and `changed` are what a user must look at.

    Raises:
        BadInput: no such run; a device or precision this machine does not have.
    """
    runs = find_runs(options.run, options.setting)
    parse_tolerances(options.nsd_tolerance)
    weights = sum(len(checkpoint.stored_epochs(run)) for run in runs)
    wanted = 1 if device_type(options.device) == "cuda" else options.jobs or cores()
    workers = max(1, min(wanted, weights))
    threads = options.threads or max(1, cores() // workers)
    session = _Session(options, threads, runs)
    total = sum(len(epoch_folders(run)) for run in runs)
    with session.locked:
        for _ in progress(
            session.epochs(runs, workers), total=total, title=f"re_eval, {len(runs)} runs"
        ):
            pass
        session.finish()
    return session.outcome


class _Session:
    """One command's runs under way: their locks, their unfinished epochs, what came of them."""

    def __init__(self, options: Any, threads: int, runs: list[Path]):
        self.options, self.threads = options, threads
        self.outcome = Outcome()
        self.locked = LockedRuns()
        self._settled = 0  # epochs done without weights since last told
        self._journal = Journal(options.nsd_tolerance, runs) if options.mode == "force" else None

    def epochs(self, runs: list[Path], workers: int) -> Iterator[None]:
        """Does everything; yields once per epoch that is done."""
        jobs = (job for run in runs for job in self._begin(run))
        for job, result in in_processes(score_epoch, jobs, workers):
            self._store(job, result)
            yield from [None] * (1 + self._take_settled())
        yield from [None] * self._take_settled()

    def finish(self) -> None:
        """Forgets how far the command was: it is done."""
        if self._journal:
            self._journal.remove()

    def _take_settled(self) -> int:
        count, self._settled = self._settled, 0
        return count

    def _begin(self, run: Path) -> Iterator[Job]:
        """Locks a run, does what needs no weights, and yields the rest."""
        epochs = epoch_folders(run)
        try:
            self.locked.take(run)
        except BadInput as error:
            self.outcome.skipped.append(str(error))
            self._settled += len(epochs)
            return
        jobs: list[Job] = []
        try:
            checkpoint.sweep(run)
            jobs = self._plan(open_stored(run), epochs)
        except BadInput as error:
            self.outcome.refused.append(str(error))
            self._settled += len(epochs)
        self.locked.expect(run, len(jobs))
        yield from jobs

    def _plan(self, stored: StoredRun, epochs: Mapping[int, Path]) -> list[Job]:
        """Fills from counts; returns the epochs whose weights are needed, and there."""
        todo: dict[int, tuple[str, ...]] = {}
        for number, folder in epochs.items():
            stages = tuple(s for s in STAGES if self._settle(stored, folder, s))
            self._settle_zeroshot(stored, folder)
            if stages:
                todo[number] = stages
            else:
                self._settled += 1
        if not todo:
            return []
        try:
            bundle = open_dataset(stored)
            machine = machine_for(self.options, stored.options, stored.record)
        except BadInput as error:
            for number, stages in todo.items():
                for stage in stages:
                    why = "the run's dataset file cannot be used"
                    self._without_weights(stored, epochs[number], stage, why)
            self.outcome.refused.append(str(error))
            self._settled += len(todo)
            return []
        return [
            Job(
                run=stored.folder,
                epoch=number,
                dataset=bundle.path,
                stages=stages,
                tolerance=self._tolerance(stored),
                device=self.options.device,
                precision=machine.precision,
                threads=self.threads,
            )
            for number, stages in todo.items()
        ]

    def _settle(self, stored: StoredRun, folder: Path, stage: str) -> bool:
        """Does what a file needs without weights; True where weights are needed, and there."""
        path, weights = metric_file(folder, stage), (folder / WEIGHTS).exists()
        cases = (stored.record.get("dataset") or {}).get("cases") or {}
        if not path.exists():  # of a run killed before it was written, or deleted
            scored = stored.labels.evaluate and not stored.options.dataset_train_all
            return bool(weights and scored and cases.get(stage))
        table = metric_files.read_table(path)
        lacking = self._complete_from_counts(stored, path, table)
        if weights and self._redoes(path):
            return True
        if not lacking:
            return False
        if weights and self.options.mode != "normal":
            return True
        why = "re-evaluated before (.bk); complete fills them" if weights else _THINNED
        self._count_lacking(lacking, why)
        return False

    def _redoes(self, path: Path) -> bool:
        """Whether the mode asks to score a file anew, whatever it holds."""
        if self.options.mode == "normal":
            return not is_replaced(path)
        return self._journal is not None and path not in self._journal

    def _complete_from_counts(
        self, stored: StoredRun, path: Path, table: metric_files.Table
    ) -> dict[str, int]:
        """Fills what counts decide, where nothing else will; returns what the file still lacks."""
        tolerance = parse_tolerances(self._tolerance(stored), stored.labels.count)
        lacking = metric_files.missing_cells(table, tolerance)
        weights = (path.parent / WEIGHTS).exists()
        if not lacking:
            self.outcome.whole += 0 if weights and self._redoes(path) else 1
            return lacking
        if weights and path.name.removesuffix("-metrics.pt") in STAGES:
            return lacking  # the weights give all of them in one go
        return self._fill(path, table, lacking, tolerance)

    def _settle_zeroshot(self, stored: StoredRun, folder: Path) -> None:
        path = metric_file(folder, "zeroshot")
        if path.exists():
            table = metric_files.read_table(path)
            lacking = self._complete_from_counts(stored, path, table)
            weights = (folder / WEIGHTS).exists()
            self._count_lacking(
                lacking, "zero-shot; cmd/zeroshot fills them" if weights else _THINNED
            )

    def _store(self, job: Job, result: Any) -> None:
        """Writes what a process scored, and closes the run with its last epoch."""
        if isinstance(result, BadInput):
            self.outcome.refused.append(str(result))
        else:
            for stage, fresh in result.items():
                try:
                    self._store_table(job, stage, fresh)
                except BadInput as error:
                    self.outcome.refused.append(str(error))
        if self.locked.is_last(job.run) and self.options.mode != "complete":
            self._choose_best(job.run)
        self.locked.finish(job.run)

    def _store_table(self, job: Job, stage: str, fresh: metric_files.Table) -> None:
        path = metric_file(epoch_folder(job.run, job.epoch), stage)
        if not path.exists():
            if fresh:  # an empty split has no file
                replace_table(path, fresh)
                self.outcome.scored += 1
            return
        old = metric_files.read_table(path)
        found = metric_files.agreement(old, fresh, path)
        self.outcome.compared += 1
        self.outcome.identical += found.largest == 0
        said = (
            f"{_short(path, 4)}: dice scored again differs from the stored one by {found.mean:.4f} on average, "
            f"up to {found.largest:.3f}, over {found.cells} scores"
        )
        if self.options.mode == "complete":
            if not found.is_close:
                self.outcome.changed.append(
                    f"{said}; the file is left as it is, since new metrics would be of another prediction. "
                    "`force` replaces them all"
                )
                return
            stored = parse_tolerances(job.tolerance, fresh["raw_dice"].shape[1])
            lacking = metric_files.missing_cells(old, stored)
            fresh = metric_files.merge(old, fresh, list(lacking))
        elif not found.is_close:
            self.outcome.changed.append(f"{said}; the new scores are stored, the old ones in .bk")
        replace_table(path, fresh)
        if self._journal:
            self._journal.add(path)
        self.outcome.scored += 1

    def _choose_best(self, run: Path) -> None:
        before = (run / BEST).resolve().name
        choose_best(run, "dice", "max")
        after = (run / BEST).resolve().name
        if before != after:
            self.outcome.changed.append(f"{_short(run, 2)}: best was {before}, and is now {after}")

    def _tolerance(self, stored: StoredRun) -> str:
        return self.options.nsd_tolerance or stored.options.nsd_tolerance

    def _without_weights(self, stored: StoredRun, folder: Path, stage: str, why: str) -> None:
        """For a file whose weights cannot be used: what counts decide, and the count of the rest."""
        path = metric_file(folder, stage)
        if not path.exists():
            return
        table = metric_files.read_table(path)
        tolerance = parse_tolerances(self._tolerance(stored), stored.labels.count)
        lacking = metric_files.missing_cells(table, tolerance)
        # `normal` goes by the .bk: with one, the file would count as scored anew.
        if self.options.mode == "complete":
            lacking = self._fill(path, table, lacking, tolerance)
        self._count_lacking(lacking, why)

    def _fill(
        self,
        path: Path,
        table: metric_files.Table,
        lacking: dict[str, int],
        tolerance: Mapping[int, float],
    ) -> dict[str, int]:
        """Writes what counts decide; returns what the file still lacks."""
        filled = metric_files.fill_from_counts(table, lacking)
        if filled is None:
            return lacking
        replace_table(path, filled)
        self.outcome.filled += 1
        return metric_files.missing_cells(filled, tolerance)

    def _count_lacking(self, lacking: Mapping[str, int], why: str) -> None:
        self.outcome.lacking.update({(key, why): count for key, count in lacking.items()})


_THINNED = "no weights: only latest, best and every tenth epoch keep them"


def _short(path: Path, parts: int) -> str:
    """The last names of a path: `baseline-acdc-0/unet-2d-none`."""
    return "/".join(path.parts[-parts:])
