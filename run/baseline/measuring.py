"""What a network costs: parameters, operations, time and memory, each measured in a process of its own."""

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mos.engine.device import choose_machine
from mos.networks.outputs import Outputs
from mos.networks.plan import Plan
from mos.networks.table import NETWORKS

_REPEATS = 3
# Imported before any process that measures is forked off: a library's own memory is not a network's.
_PRELOADED = ["run.baseline.measuring", "mos.networks.smp_nets", "mos.networks.monai_nets"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network to measure."""

    name: str
    plan: Plan
    device: str
    threads: int
    timed: bool


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one image; None: not asked for."""

    parameters: int
    flops: (
        int  # multiplications and additions of one forward pass, as torch.utils.flop_counter counts
    )
    milliseconds: float | None  # of one forward pass, the quickest of three
    memory_mib: float | None  # most in use during a training step, beyond the program itself


def measured(options: Any, wanted: Sequence[tuple[str, int]]) -> Iterator[Cost]:
    """The cost of each network and dimension, in this order.

    Args:
        options: of `cmd/networks`.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    jobs = [
        Job(
            name=name,
            plan=Plan(
                in_channels=options.in_channels,
                label_count=options.label_count,
                crop_size=options.size_2d if dims == 2 else options.size_3d,
                spacing=(1.0,) * dims,
            ),
            device=options.device,
            threads=options.threads,
            timed=options.measure == "all",
        )
        for name, dims in wanted
    ]
    # A process even for one: the most memory this process ever used would hide what the network uses.
    with context.Pool(1, maxtasksperchild=1) as pool:
        yield from pool.imap(measure, jobs, chunksize=1)


def measure(job: Job) -> Cost:
    """Builds the network and runs it on one random image of the plan's crop size."""
    machine = choose_machine(job.device, "fp32", job.threads, deterministic=False)
    base = _memory_mib(machine.device)
    torch.manual_seed(0)
    network = NETWORKS[job.name].build(job.plan)
    image = torch.rand(1, job.plan.in_channels, *job.plan.crop_size)
    seconds = memory = None
    if job.timed:
        network, image = network.to(machine.device), image.to(machine.device)
        seconds = min(_forward_seconds(network, image) for _ in range(_REPEATS))
        _train_step(network, image)
        memory = max(_memory_mib(machine.device) - base, 0)
    return Cost(
        parameters=sum(p.numel() for p in network.parameters()),
        flops=_flops(network, image),  # last, for it copies the network
        milliseconds=None if seconds is None else 1e3 * seconds,
        memory_mib=memory,
    )


def _flops(network: nn.Module, image: torch.Tensor) -> int:
    """Of one forward pass; counted from shapes alone, where every layer can do without numbers."""
    counter = FlopCounterMode(display=False)
    try:
        shapes = copy.deepcopy(network).to("meta").eval()
        with torch.no_grad(), counter:
            shapes(image.to("meta"))
    except (NotImplementedError, RuntimeError):
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            network.eval()(image)
    return counter.get_total_flops()


def _forward_seconds(network: nn.Module, image: torch.Tensor) -> float:
    network.eval()
    with torch.no_grad():
        _wait(image.device)
        started = time.perf_counter()
        network(image)
        _wait(image.device)
    return time.perf_counter() - started


def _train_step(network: nn.Module, image: torch.Tensor) -> None:
    """Forward and backward of one image, as training has them."""
    answer = network.train()(image)
    outputs = answer if isinstance(answer, Outputs) else Outputs(answer)
    logits = [outputs.logits, *(one.logits for one in outputs.auxiliary)]
    sum(one.square().mean() for one in logits).backward()
    _wait(image.device)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory_mib(device: torch.device) -> float:
    """The most memory in use so far: of the process, or on the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
