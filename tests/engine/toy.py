"""A problem small enough to follow by hand: the engine must serve it as it serves segmentation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from mos.engine.device import Machine
from mos.engine.optimizer import make_optimizer
from mos.engine.task import Task
from mos.engine.train import train_epoch
from mos.options import TrainingOptions

CPU = Machine(torch.device("cpu"), "fp32")


@dataclass
class Numbers:
    """Cases are numbers x with the answer 2 x + 1; it remembers which batches were asked for."""

    values: Sequence[float]
    asked: list = field(default_factory=list)

    def __len__(self):
        return len(self.values)

    def batch(self, indices, seeds):
        self.asked.append((list(indices), list(seeds)))
        x = torch.tensor([[self.values[index]] for index in indices])
        return {"x": x, "y": 2 * x + 1}

    def describe(self, index):
        return {"case": f"case-{index}", "patient": f"patient-{index // 2}"}


def squared_error(network, batch):
    return {"loss": ((network(batch["x"]) - batch["y"]) ** 2).mean()}


def make_task(train=(0.0, 1.0, 2.0, 3.0), valid=(4.0, 5.0, 6.0), loss=squared_error) -> Task:
    """A line to fit; its score is minus the absolute error, nan for an answer that is nan."""
    torch.manual_seed(0)
    return Task(
        network=nn.Linear(1, 1),
        datasets={
            name: Numbers(v) for name, v in (("train", train), ("valid", valid), ("test", ()))
        },
        loss=loss,
        predict=lambda network, batch: network(batch["x"]),
        score=lambda answer, batch: {"raw_error": (answer - batch["y"]).abs()},
        reduce=lambda tables: {
            "error": tables["raw_error"].mean(1),
            "worst": tables["raw_error"].max(),
        },
        best=("error", "min"),
    )


def train_once(task, processes, *, network=None, epoch=1, **options):
    """One epoch with plain settings; returns its table and its line."""
    given = {"learning_rate": 0.1, "warmup_epochs": 0.0, "weight_decay": 0.0, "gradient_clip": 0.0}
    asked = TrainingOptions(**given | options)
    optimizer = make_optimizer(task.network, asked.learning_rate, asked.weight_decay)
    return train_epoch(
        task,
        network or task.network,
        optimizer,
        CPU.scaler(),
        epoch=epoch,
        schedule_epochs=10,
        options=asked,
        machine=CPU,
        processes=processes,
    )


def weights(network: nn.Module) -> list[float]:
    return [value for p in network.parameters() for value in p.detach().flatten().tolist()]


def close(a, b) -> bool:
    return all(math.isclose(x, y, rel_tol=1e-5, abs_tol=1e-6) for x, y in zip(a, b, strict=True))
