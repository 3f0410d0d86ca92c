"""Scoring stored epochs of landmark runs again: metrics that are missing are filled in, old files are kept once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mos.engine import checkpoint
from mos.engine.distributed import Processes
from mos.engine.evaluate import evaluate
from mos.engine.fit import choose_best
from mos.engine.lock import RunLock
from mos.engine.progress import progress
from mos.engine.replace import is_replaced, replace_table
from mos.engine.stored import machine_for
from mos.engine.task import Batch, Scores, Task
from mos.errors import BadInput
from mos.folders import WEIGHTS, epoch_folders, metric_file
from mos.metrics.landmark import fill_in
from mos.report.named_runs import named_runs
from run.landmark.dataset import evaluation_dataset
from run.landmark.model_arguments import TASK
from run.landmark.stored import StoredRun, load_network, open_dataset, open_stored
from run.landmark.task import BEST, predictor, reduce, scorer

STAGES = ("valid", "test")


@dataclass
class Outcome:
    """What the command did, for its last lines."""

    scored: int = 0  # files, with weights
    filled: int = 0  # files, from the errors they hold
    whole: int = 0  # files that were as they should be
    skipped: list[str] = field(default_factory=list)  # runs that are being trained
    refused: list[str] = field(default_factory=list)


def re_evaluate(options: Any) -> Outcome:
    """Brings the metric files of stored runs up to date.

    `complete` computes metrics that a file lacks from the radial errors it holds, and scores epochs that
    have weights and no file; `normal` scores anew what has weights and no `.bk` yet, `force` all that has weights.

    Args:
        options: `run.landmark.cmd.re_eval.Options`.

    Raises:
        BadInput: no such run; a device or precision this machine does not have.
    """
    outcome = Outcome()
    for run in named_runs(TASK, options.run, options.setting, example="unet-512"):
        lock = RunLock(run)
        try:
            lock.__enter__()
        except BadInput as error:
            outcome.skipped.append(str(error))
            continue
        try:
            checkpoint.sweep(run)
            _score_run(open_stored(run), options, outcome)
        except BadInput as error:
            outcome.refused.append(str(error))
        finally:
            lock.__exit__()
    return outcome


def _score_run(stored: StoredRun, options: Any, outcome: Outcome) -> None:
    """One run, its epochs one behind the other; the network is built for those that need it."""
    todo: dict[Path, list[str]] = {}
    for folder in epoch_folders(stored.folder).values():
        for stage in STAGES:
            path = metric_file(folder, stage)
            if _needs_weights(stored, path, options.mode):
                todo.setdefault(folder, []).append(stage)
            elif path.exists():
                _complete(path, outcome)
    if not todo:
        return
    bundle = open_dataset(stored.folder, stored.record)
    machine = machine_for(options, stored.options, stored.record)
    size = stored.options.size_for(bundle.size)
    for folder in progress(list(todo), total=len(todo), title=stored.folder.name):
        task = Task(
            network=load_network(stored, folder, machine),
            datasets={
                stage: evaluation_dataset(bundle, stage, image_size=size, device=machine.device)
                for stage in todo[folder]
            },
            loss=_no_loss,
            predict=predictor(stored.options, stored.order),
            score=scorer(stored.options),
            reduce=reduce,
            best=BEST,
        )
        for stage in todo[folder]:
            table = evaluate(task, stage, machine, Processes(), quiet=True)
            if table:  # an empty split has no file
                replace_table(metric_file(folder, stage), table)
                outcome.scored += 1
    choose_best(stored.folder, *BEST)


def _needs_weights(stored: StoredRun, path: Path, mode: str) -> bool:
    """Whether a file is to be scored with the weights beside it."""
    cases = (stored.record.get("dataset") or {}).get("cases") or {}
    stage = path.name.removesuffix("-metrics.pt")
    if stored.options.dataset_train_all or not cases.get(stage):
        return False
    if not (path.parent / WEIGHTS).exists():
        return False
    return not path.exists() or mode == "force" or (mode == "normal" and not is_replaced(path))


def _complete(path: Path, outcome: Outcome) -> None:
    """Fills in the metrics that a file lacks."""
    table = checkpoint.load_table(path)
    if "raw_mre" not in table:
        raise BadInput(f"{path}: has no raw_mre, so it is no metric file of landmarks; delete it")
    raw = {key: value.numpy() for key, value in table.items() if key.startswith("raw_")}
    filled = {key: torch.from_numpy(value) for key, value in fill_in(raw).items()}
    if not filled:
        outcome.whole += 1
        return
    replace_table(path, _with_means({**table, **filled}))
    outcome.filled += 1


def _with_means(table: Mapping[str, Any]) -> dict[str, Any]:
    return {**table, **reduce({k: v for k, v in table.items() if k.startswith("raw_")})}


def _no_loss(network: torch.nn.Module, batch: Batch) -> Scores:
    raise TypeError("a stored run is scored here; training goes on in run.landmark.train")
