"""The order of cases and the seed of every sample: pure functions of seed, epoch and position."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


def epoch_order(
    length: int, *, seed: int, epoch: int, loop: int = 1, sample_count: int = 0
) -> np.ndarray:
    """The case indices of one epoch, each round through the set shuffled anew.

    Args:
        loop: rounds through the set within the epoch.
        sample_count: cases per round; 0 takes all of them.

    Returns:
        (loop * min(sample_count or length, length),) int64.
    """
    random = np.random.Generator(np.random.PCG64([seed, epoch, 0]))
    rounds = [random.permutation(length)[: sample_count or length] for _ in range(loop)]
    return np.concatenate(rounds)


def sample_seed(seed: int, epoch: int, position: int) -> int:
    """The seed of the sample at `position` in an epoch: the same on one process or on eight."""
    return int(
        np.random.SeedSequence([seed, epoch, 1, position]).generate_state(1, np.uint64)[0] >> 1
    )


@dataclass(frozen=True)
class Share:
    """What one process does of one batch."""

    indices: Sequence[int]
    seeds: Sequence[int]
    weight: float  # its part in the mean over the batch, times the number of processes


def batches(
    order: np.ndarray, *, batch_size: int, seed: int, epoch: int, rank: int = 0, world: int = 1
) -> Iterator[Share]:
    """Cuts an epoch into batches and each batch into one share per process.

    The last batch may be smaller. A process left without a case in it repeats one with weight 0,
    because every process has to take part in every step.
    """
    for start in range(0, len(order), batch_size):
        positions = np.arange(start, min(start + batch_size, len(order)))
        mine = np.array_split(positions, world)[rank]
        weight = len(mine) * world / len(positions)
        mine = mine if len(mine) else positions[:1]
        seeds = [sample_seed(seed, epoch, int(position)) for position in mine]
        yield Share([int(order[position]) for position in mine], seeds, weight)
