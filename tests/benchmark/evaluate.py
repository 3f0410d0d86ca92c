"""Scoring a whole test set: the part of the wall time in which the network computes.

The network of `unet-2d-none` with weights of one short epoch on the phantom, whose test cases are predicted and
scored as after every epoch of a training. What scoring takes is what the network waits for it.
"""

import time

import torch

from mos import timing
from mos.data.bundle import open_bundle
from mos.engine.device import choose_machine
from mos.engine.distributed import Processes
from mos.engine.evaluate import evaluate
from mos.engine.stopwatch import Stopwatch
from mos.engine.task import Task
from mos.folders import dataset_path
from run.baseline.labels import labels_for
from run.baseline.model_arguments import TASK, ModelArguments
from run.baseline.phantom import ensure
from run.baseline.task import make_task
from tests.benchmark import is_quick, plain_row, say

REACH = 0.85


def learn(task: Task, steps: int) -> None:
    """A few steps, so that predictions have outlines to measure."""
    optimizer = torch.optim.AdamW(task.network.parameters(), 3e-3)
    train = task.datasets["train"]
    task.network.train()
    for step in range(steps):
        batch = train.batch(range(step * 8, step * 8 + 8), range(8))
        task.loss(task.network, batch)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()


def main() -> None:
    quick = is_quick(__doc__)
    ensure("phantom-0")
    options = ModelArguments(model_channels=(16, 32, 64, 128))
    bundle = open_bundle(dataset_path(TASK, "phantom-0"))
    machine = choose_machine("auto", "auto", 0, False)
    task = make_task(options, bundle, labels_for(options, bundle, {}), machine)
    learn(task, 6 if quick else 60)
    rounds = []
    for _ in range(1 if quick else 3):
        watch = Stopwatch()
        with timing.listened(watch.phase):
            start = time.perf_counter()
            table = evaluate(task, "test", machine, Processes(), quiet=True)
            wall = time.perf_counter() - start
        phases = watch.read()
        rounds.append((phases["inference"] / wall, wall, phases))
    share, wall, phases = max(rounds, key=lambda one: one[0])
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in phases.items())
    plain_row(
        f"scoring {len(table['case'])} test volumes, dice {float(table['dice'].nanmean()):.2f}: network's part of the wall time",
        f"{share:.0%} of {wall:.1f} s",
        "-",
        "-",
        f">= {REACH:.0%}",
        share >= REACH,
    )
    say(told)


if __name__ == "__main__":
    main()
