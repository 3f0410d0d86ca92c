"""TensorBoard scalars and pictures of a run; without a folder everything is quietly ignored."""

from pathlib import Path
from typing import Any

import torch

from mos.engine.device import Machine
from mos.engine.task import Task


class Board:
    """Writes `<run>/logs`; opened when the first value comes, since importing it takes a second."""

    def __init__(self, folder: Path | None, first_epoch: int = 1):
        self._folder = folder
        self._first_epoch = first_epoch
        self._writer: Any = None

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def scalars(self, epoch: int, lines: dict[str, dict[str, Any]]) -> None:
        """Every number of the epoch's `metric.jsonl` lines, as `<stage>/<name>`."""
        if self._folder is None:
            return
        for stage, line in lines.items():
            for name, value in line.items():
                if isinstance(value, (int, float)):
                    self._open().add_scalar(f"{stage}/{name}", value, epoch)

    def picture(self, task: Task, machine: Machine, epoch: int) -> None:
        """The first validation case as the task draws it."""
        dataset = task.datasets["valid"]
        if self._folder is None or task.picture is None or not len(dataset):
            return
        task.network.eval()
        batch = dataset.batch([0], [0])
        with torch.no_grad(), machine.autocast():
            prediction = task.predict(task.network, batch)
        self._open().add_image(
            "valid/" + dataset.describe(0)["case"], task.picture(prediction, batch), epoch
        )

    def _open(self) -> Any:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # What a killed run wrote past the last saved epoch is hidden by purge_step.
            self._writer = SummaryWriter(str(self._folder), purge_step=self._first_epoch)
        return self._writer
