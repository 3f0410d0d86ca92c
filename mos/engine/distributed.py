"""One process or several under torchrun: who is who, and the few things they say to each other."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from mos.errors import EXIT_BAD_INPUT, BadInput

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process among its fellows; alone it is rank 0 of 1."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def gather(self, value: Any) -> list[Any]:
        """Everybody's value, in the order of ranks, on every process."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def from_first(self, value: Any) -> Any:
        """The value of rank 0 on every process."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def together(self, work: Callable[[], T]) -> T:
        """Does `work` on every process; a BadInput of one stops them all.

        So nobody waits for a process that has gone, and the message is told once.

        Raises:
            BadInput: on rank 0, with the message of the first process that failed.
            SystemExit: on the others, with the exit code of a BadInput.
        """
        if self.world == 1:
            return work()
        value, problem = _attempt(work)
        self._stop_at(next((one for one in self.gather(problem) if one), None))
        return value

    def on_first(self, work: Callable[[], T]) -> T:
        """Does `work` on rank 0 and gives everybody its result; a BadInput stops all, as in `together`."""
        if self.world == 1:
            return work()
        value, problem = self.from_first(_attempt(work) if self.is_first else None)
        self._stop_at(problem)
        return value

    def _stop_at(self, problem: str | None) -> None:
        if problem is not None:
            raise BadInput(problem) if self.is_first else SystemExit(EXIT_BAD_INPUT)

    def same_weights(self, network: nn.Module) -> None:
        """Gives every process the weights and buffers (norm statistics) of rank 0."""
        if self.world > 1:
            with torch.no_grad():
                for tensor in network.state_dict().values():
                    dist.broadcast(tensor, src=0)

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network whose backward pass averages gradients over processes."""
        if self.world == 1:
            return network
        if device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return nn.parallel.DistributedDataParallel(
            network, device_ids=[device.index] if device.type == "cuda" else None
        )


def _attempt(work: Callable[[], T]) -> tuple[T | None, str | None]:
    """What `work` returned, and the message of the BadInput that kept it from doing so."""
    try:
        return work(), None
    except BadInput as error:
        return None, str(error)


@contextmanager
def processes(device_type: str) -> Iterator[Processes]:
    """Joins the processes torchrun started (RANK, WORLD_SIZE in the environment), or stays alone."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise BadInput(
            f"WORLD_SIZE={world} is set but {', '.join(missing)} is not: start with torchrun"
        )
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if device_type == "cuda":
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    try:
        yield Processes(
            dist.get_rank(), world, local_rank, int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
        )
    finally:
        dist.destroy_process_group()
