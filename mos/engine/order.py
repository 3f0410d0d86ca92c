"""The order of cases and the seed of every sample: pure functions of seed, epoch and position."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pool:
    """Consecutive cases of a training set that share a part of every batch."""

    count: int
    weight: float = 1.0  # its part of a batch, relative to the other pools


def epoch_order(
    length: int,
    *,
    seed: int,
    epoch: int,
    loop: int = 1,
    sample_count: int = 0,
    pools: Sequence[Pool] = (),
    batch_size: int = 1,
) -> np.ndarray:
    """The case indices of one epoch, each round through the set shuffled anew.

    With several pools every batch holds cases of each, as many as `deal` says. The pool that needs
    most batches is gone through once a round; the others are drawn from with replacement. The cases
    of the pools alternate within a batch, so that each process gets its share of every pool.

    Args:
        loop: rounds through the set within the epoch.
        sample_count: cases per round; 0 takes all of them.
        pools: with `length` cases in all; none or one is the whole set.
        batch_size: cases of a batch; matters to several pools only.

    Returns:
        Without pools (loop * min(sample_count or length, length),) int64. With them, all batches of
        `batch_size` one behind the other; the last one may be smaller and still holds every pool.

    Raises:
        ValueError: fewer cases in a batch than there are pools.
    """
    if len(pools) > 1:
        return _pooled_order(pools, seed, epoch, loop, sample_count, batch_size)
    random = np.random.Generator(np.random.PCG64([seed, epoch, 0]))
    rounds = [random.permutation(length)[: sample_count or length] for _ in range(loop)]
    return np.concatenate(rounds)


def deal(batch_size: int, pools: Sequence[Pool]) -> list[int]:
    """How many cases of a batch each pool gets: by weight, rounded to whole cases, at least one each.

    Raises:
        ValueError: fewer cases than pools.
    """
    if batch_size < len(pools):
        raise ValueError(f"{len(pools)} pools need batches of {len(pools)}, not {batch_size}")
    weights = np.array([pool.weight for pool in pools])
    wanted = batch_size * weights / weights.sum()
    dealt = np.floor(wanted).astype(int)
    # What rounding down left over goes to those who lost most by it; of equals, to the first.
    most_lost = np.argsort(dealt - wanted, kind="stable")
    dealt[most_lost[: batch_size - dealt.sum()]] += 1
    while not dealt.all():
        dealt[dealt.argmax()] -= 1
        dealt[dealt.argmin()] += 1
    return dealt.tolist()


def _pooled_order(
    pools: Sequence[Pool], seed: int, epoch: int, loop: int, sample_count: int, batch_size: int
) -> np.ndarray:
    dealt = deal(batch_size, pools)
    rounds = [pool.count for pool in pools]
    if sample_count:
        shares = [max(1, sample_count * own // batch_size) for own in dealt]
        rounds = [min(pair) for pair in zip(rounds, shares)]
    needed = [-(-loop * count // own) for count, own in zip(rounds, dealt)]
    batch_count = max(needed)
    longest = needed.index(batch_count)
    # The last batch is as full of the others as it is of the longest.
    full = (loop * rounds[longest] - (batch_count - 1) * dealt[longest]) / dealt[longest]
    first, cases = 0, []
    for number, (pool, own) in enumerate(zip(pools, dealt)):
        random = np.random.Generator(np.random.PCG64([seed, epoch, 2, number]))
        if needed[number] == batch_count:
            passes = [random.permutation(pool.count)[: rounds[number]] for _ in range(loop)]
            drawn = np.concatenate(passes)
        else:
            drawn = random.integers(
                0, pool.count, (batch_count - 1) * own + max(1, round(own * full))
            )
        cases.append(first + drawn)
        first += pool.count
    batches = (
        _alternate([drawn[batch * own : (batch + 1) * own] for drawn, own in zip(cases, dealt)])
        for batch in range(batch_count)
    )
    return np.concatenate(list(batches))


def _alternate(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Merges the parts so that each is spread evenly."""
    places = np.concatenate([(np.arange(len(part)) + 0.5) / len(part) for part in parts])
    return np.concatenate(parts)[np.argsort(places, kind="stable")]


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
