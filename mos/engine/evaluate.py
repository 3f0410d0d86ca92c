"""Scoring one split: every case, in dataset order, over all processes."""

import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from mos.engine.device import Machine
from mos.engine.distributed import Processes
from mos.engine.progress import progress
from mos.engine.task import Batch, Task
from mos.timing import phase

MetricTable = dict[str, Any]


def evaluate(
    task: Task,
    stage: str,
    machine: Machine,
    processes: Processes,
    title: str = "",
    quiet: bool = False,
) -> MetricTable:
    """Predicts and scores every case of a split.

    Args:
        quiet: shows no progress, whoever asks.

    Returns:
        What a metric file holds: `score`'s tables (n, ...), `reduce`'s values (n,) or (), and what
        the dataset says of each case (`case`, `patient`: lists of n strings).
    """
    dataset = task.datasets[stage]
    mine = range(processes.rank, len(dataset), processes.world)
    rows: list[tuple[int, Mapping[str, Tensor]]] = []
    scored: Future | None = None
    task.network.eval()
    with torch.no_grad(), _scorer() as scorer:
        for index in progress(
            mine, total=len(mine), title=title or stage, quiet=quiet or not processes.is_first
        ):
            with phase("data"):
                batch = dataset.batch([index], [0])
            with phase("inference"), machine.autocast():
                prediction = task.predict(task.network, batch)
            # A case is scored while the network has the next one; one waits at most, so memory holds two.
            with phase("scoring"):
                rows += [scored.result()] if scored else []
                scored = scorer.submit(_score, task, index, prediction, batch)
        with phase("scoring"):
            rows += [scored.result()] if scored else []
    gathered = sorted(
        (row for part in processes.gather(rows) for row in part), key=lambda row: row[0]
    )
    if not gathered:
        return {}
    tables = {key: torch.cat([row[key] for _, row in gathered]) for key in gathered[0][1]}
    about = [dataset.describe(index) for index, _ in gathered]
    texts = {key: [one[key] for one in about] for key in about[0]}
    return {**tables, **task.reduce(tables), **texts}


def _scorer() -> ThreadPoolExecutor:
    """A thread that scores, with as many threads to compute as this one."""
    return ThreadPoolExecutor(
        1, "score", initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)
    )


def _score(
    task: Task, index: int, prediction: Any, batch: Batch
) -> tuple[int, Mapping[str, Tensor]]:
    with torch.no_grad():  # a thread begins with gradients on
        return index, {key: value.cpu() for key, value in task.score(prediction, batch).items()}


def summarise(table: MetricTable) -> dict[str, Any]:
    """One number per metric for `metric.jsonl`: () values as they are, (n,) as their finite mean.

    `left_out` counts, per metric, the cases that are not finite and so are not in the mean. A
    metric that is finite nowhere is None.
    """
    line: dict[str, Any] = {}
    left_out: dict[str, int] = {}
    for key, value in table.items():
        if not isinstance(value, Tensor) or value.ndim > 1:
            continue
        if value.ndim == 0:
            line[key] = _number(value)
            continue
        finite = value[torch.isfinite(value)]
        name = "loss" if key == "epoch_losses" else key  # as in the lines of training
        line[name] = float(finite.mean(dtype=torch.float64)) if len(finite) else None
        if len(finite) < len(value):
            left_out[name] = len(value) - len(finite)
    line["cases"] = len(table.get("case", ()))
    return {**line, "left_out": left_out} if left_out else line


def _number(value: Tensor) -> float | int | None:
    number = value.item()
    return number if isinstance(number, int) or math.isfinite(number) else None
