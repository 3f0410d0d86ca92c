"""One epoch of training steps."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from mos.engine.device import Machine
from mos.engine.distributed import Processes
from mos.engine.optimizer import learning_rate_at
from mos.engine.order import Share, batches, epoch_order
from mos.engine.progress import progress
from mos.engine.task import Dataset, Task
from mos.errors import BadInput
from mos.options import TrainingOptions, parse_scheduler_parameter
from mos.timing import phase

# Reading a loss from a GPU makes the CPU wait for it, so there it is looked at in bundles.
GPU_CHECK_STEPS = 16


def train_epoch(
    task: Task,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    *,
    epoch: int,
    schedule_epochs: int,
    options: TrainingOptions,
    machine: Machine,
    processes: Processes,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Goes through the training set once (times `--loop`).

    Args:
        network: `task.network`, wrapped where several processes average their gradients.

    Returns:
        The table of losses, one (batch_count,) tensor per part, and the line for `metric.jsonl`.

    Raises:
        BadInput: a loss is not finite; names the batch.
    """
    started = time.monotonic()
    machine.forget_peak_memory()
    # Dropout and the like draw from torch's own generator; setting it here is what makes a resumed
    # run repeat them.
    torch.manual_seed(options.seed * 1_000_003 + epoch)
    dataset = task.datasets["train"]
    order = epoch_order(
        len(dataset),
        seed=options.seed,
        epoch=epoch,
        loop=options.loop,
        sample_count=options.sample_count,
        pools=task.pools,
        batch_size=options.batch_size,
    )
    batch_count = math.ceil(len(order) / options.batch_size)
    shares = batches(
        order,
        batch_size=options.batch_size,
        seed=options.seed,
        epoch=epoch,
        rank=processes.rank,
        world=processes.world,
    )
    network.train()
    optimizer.zero_grad(set_to_none=True)
    losses: list[dict[str, Tensor]] = []
    unchecked: list[tuple[int, Share]] = []
    parameter = parse_scheduler_parameter(options.lr_scheduler, options.lr_scheduler_parameter)
    bundle = GPU_CHECK_STEPS if machine.device.type == "cuda" else 1
    for number, share in progress(
        enumerate(shares), total=batch_count, title=f"epoch {epoch}", quiet=not processes.is_first
    ):
        group_start = number - number % options.gradient_accumulation_steps
        group_size = min(options.gradient_accumulation_steps, batch_count - group_start)
        steps_now = number + 1 == group_start + group_size
        with network.no_sync() if processes.world > 1 and not steps_now else nullcontext():
            with phase("data"):
                batch = dataset.batch(share.indices, share.seeds)
            with phase("forward"), machine.autocast():
                parts = task.loss(network, batch)
            with phase("backward"):
                scaler.scale(parts["loss"] * (share.weight / group_size)).backward()
        losses.append({name: _counted(value, share) for name, value in parts.items()})
        unchecked.append((number, share))
        if len(unchecked) == bundle or number + 1 == batch_count:
            processes.together(lambda: _check_finite(losses, unchecked, dataset, epoch, options))
            unchecked.clear()
        if steps_now:
            rate = learning_rate_at(
                epoch - 1 + group_start / batch_count,
                peak=options.learning_rate,
                warmup_epochs=options.warmup_epochs,
                schedule_epochs=schedule_epochs,
                kind=options.lr_scheduler,
                parameter=parameter,
                gamma=options.lr_scheduler_gamma,
                floor=options.lr_floor,
            )
            with phase("optimiser"):
                _step(network, optimizer, scaler, rate, options.gradient_clip)
    table, line = _mean_over_processes(losses, processes)
    seconds = time.monotonic() - started
    line |= {"learning_rate": rate, "samples": len(order), "seconds": round(seconds, 3)}
    line |= {"peak_memory_mib": round(max(processes.gather(machine.peak_memory_mib())), 1)}
    return {"epoch_losses": table.pop("loss"), **table}, line


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    rate: float,
    clip: float,
) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    scaler.unscale_(optimizer)
    if clip:
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)


def _counted(value: Tensor, share: Share) -> Tensor:
    """A part of the loss as it counts: a mean by the share's weight, a sum and its number as they are."""
    return value.detach() * (share.weight if value.ndim == 0 else float(share.weight > 0))


def _mean_over_processes(
    losses: Sequence[dict[str, Tensor]], processes: Processes
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Each part of the loss by batch, (batch_count,), and over the epoch."""
    own = {name: torch.stack([part[name] for part in losses]).float().cpu() for name in losses[0]}
    gathered = processes.gather(own)
    table, line = {}, {}
    for name in own:
        every = torch.stack([part[name] for part in gathered])
        if every.ndim == 2:
            table[name] = every.mean(0)
            line[name] = float(table[name].mean())
        else:  # (world, batch_count, 2): sums and numbers
            sums = every.sum(0)
            table[name] = sums[:, 0] / sums[:, 1]  # nan in a batch that has none of these cases
            total, number = sums.sum(0).tolist()
            if number:
                line[name] = total / number
    return table, line


def _check_finite(
    losses: Sequence[dict[str, Tensor]],
    unchecked: Sequence[tuple[int, Share]],
    dataset: Dataset,
    epoch: int,
    options: TrainingOptions,
) -> None:
    """Stops the run at the first loss that is nan or infinite, naming the batch."""
    recent = torch.stack([losses[number]["loss"] for number, _ in unchecked])
    if bool(torch.isfinite(recent).all()):
        return
    number, share = next(one for one in unchecked if not torch.isfinite(losses[one[0]]["loss"]))
    means = {name: float(value) for name, value in losses[number].items() if value.ndim == 0}
    values = ", ".join(f"{name} {value}" for name, value in means.items())
    cases = ", ".join(dataset.describe(index)["case"] for index in share.indices)
    raise BadInput(
        f"epoch {epoch}, batch {number + 1}: the loss is not finite ({values}); its cases: {cases}. "
        "The last whole epoch is kept and the same command goes on from it. Look at these cases, or "
        f"try --learning_rate {options.learning_rate / 10:g}, or --precision fp32"
    )
