"""A training step of the harness, and the same with plain settings, against a bare PyTorch loop.

bare: the same network, loss, optimiser, settings and batches, made beforehand, in a loop of five lines. The
harness makes its batches too; what that takes is said beside it, since a loop that reads data has to do it as well.
plain: fp32, contiguous, AdamW as torch builds it; what the settings of this machine gain.
All on one thread and in processor time, which other programs on the machine change least.
"""

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from mos.data.bundle import open_bundle
from mos.engine.device import Machine, choose_machine
from mos.engine.distributed import Processes
from mos.engine.optimizer import make_optimizer
from mos.engine.order import batches, epoch_order
from mos.engine.task import Batch, Task
from mos.engine.train import train_epoch
from mos.folders import dataset_path
from run.baseline.labels import labels_for
from run.baseline.model_arguments import TASK, ModelArguments
from run.baseline.phantom import ensure
from run.baseline.task import make_task
from tests.benchmark import is_quick, plain_row, say

REACH = 0.97
PLAIN_REACH = {2: 1.5, 3: 2.0}
SETTINGS = {
    2: {"dataset_crop_size": (128, 128), "model_channels": (16, 32, 64, 128), "batch_size": 8},
    3: {"dataset_crop_size": (16, 64, 64), "model_channels": (16, 32, 64), "batch_size": 2},
}


def bare(task: Task, network: nn.Module, made: Sequence[Batch], machine: Machine) -> float:
    """Seconds of an epoch over batches that are there already."""
    optimizer = make_optimizer(network, 1e-3, 1e-2)
    network.train()
    started = time.process_time()
    for batch in made:
        with machine.autocast():
            loss = task.loss(network, batch)["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimizer.step()
    if machine.device.type == "cuda":
        torch.cuda.synchronize()
    return time.process_time() - started


class Ready:
    """A dataset whose batches were made before, in the order in which they are asked for."""

    def __init__(self, dataset: Any, made: Sequence[Batch]):
        self._dataset, self._made, self._next = dataset, made, 0

    def __len__(self) -> int:
        return len(self._dataset)

    def batch(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        self._next += 1
        return self._made[(self._next - 1) % len(self._made)]

    def describe(self, index: int) -> Any:
        return self._dataset.describe(index)


def harness(task: Task, options: ModelArguments, machine: Machine) -> Callable[[], float]:
    """Seconds of an epoch of `mos.engine.train`."""
    optimizer = make_optimizer(task.network, 1e-3, 1e-2)

    def epoch() -> float:
        started = time.process_time()
        train_epoch(
            task,
            task.network,
            optimizer,
            machine.scaler(),
            epoch=1,
            schedule_epochs=10,
            options=options,
            machine=machine,
            processes=Processes(),
        )
        return time.process_time() - started

    return epoch


def compare(dims: int, steps: int, rounds: int) -> None:
    """Prints the rows of one dimension."""
    given = SETTINGS[dims]
    options = ModelArguments(sample_count=steps * given["batch_size"], **given)
    bundle = open_bundle(dataset_path(TASK, "phantom-0"))
    labels = labels_for(options, bundle, {})
    machine = choose_machine("auto", "auto", 1, False)
    task = make_task(options, bundle, labels, machine)
    plain_machine = Machine(machine.device, "fp32")
    order = epoch_order(
        len(task.datasets["train"]), seed=0, epoch=1, sample_count=options.sample_count
    )
    shares = list(batches(order, batch_size=options.batch_size, seed=0, epoch=1))
    data = task.datasets["train"]
    started = time.process_time()
    made = [data.batch(share.indices, share.seeds) for share in shares]
    making = (time.process_time() - started) / len(made)
    ready = copy.copy(task)
    object.__setattr__(ready, "datasets", {**task.datasets, "train": Ready(data, made)})
    contiguous = copy.deepcopy(task.network).to(memory_format=torch.contiguous_format)
    contestants = {
        "harness": harness(ready, options, machine),
        "bare": lambda: bare(task, task.network, made, machine),
        "plain": lambda: bare(task, contiguous, made, plain_machine),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            seconds = run()
            if number:
                times[name].append(seconds / steps)
    own, loop, plain = (times[name] for name in ("harness", "bare", "plain"))
    shown = (
        f"{dims}-D, batch {options.batch_size} of {'x'.join(map(str, options.dataset_crop_size))}"
    )
    ratio, best = statistics.median(loop) / statistics.median(own), min(loop) / min(own)
    plain_row(
        f"training step, {shown}, against a bare loop",
        f"{1e3 * statistics.median(own):.0f} ms",
        f"bare {1e3 * statistics.median(loop):.0f} ms",
        f"{ratio:.3g}x (best rounds {best:.3g}x)",
        f">= {REACH}x",
        max(ratio, best) >= REACH,
    )
    gain, most = statistics.median(plain) / statistics.median(own), min(plain) / min(own)
    bounded = "no: no bf16 instructions here" if machine.precision == "fp32" else False
    plain_row(
        f"default settings ({machine.precision}), {shown}, against plain fp32",
        f"{1e3 * statistics.median(own):.0f} ms",
        f"plain fp32 {1e3 * statistics.median(plain):.0f} ms",
        f"{gain:.3g}x (best rounds {most:.3g}x)",
        f">= {PLAIN_REACH[dims]}x with bf16",
        True if gain >= PLAIN_REACH[dims] else bounded,
    )
    say(f"{shown}: a batch is made in {1e3 * making:.1f} ms, {making / min(own):.1%} of a step")


def main() -> None:
    quick = is_quick(__doc__)
    ensure("phantom-0")
    for dims in SETTINGS:
        compare(dims, steps=3 if quick else 20, rounds=2 if quick else 7)


if __name__ == "__main__":
    main()
