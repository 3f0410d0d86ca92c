"""The record in which the engine and a problem meet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from mos.engine.order import Pool

Batch = Mapping[str, Any]
Scores = Mapping[str, Tensor]


class Dataset(Protocol):
    """Cases by index. Batches are made here, so that crops and augmentation run on whole batches."""

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        """The cases `indices` as one batch on the device it is used on.

        Args:
            seeds: one number per case; every random draw for that case comes from it alone, so a
                batch split over two processes holds the same samples. Evaluation ignores it.
        """
        ...

    def describe(self, index: int) -> Mapping[str, str]:
        """What a metric file keeps of a case; `case` is its id, used in messages too."""
        ...


@dataclass(frozen=True, kw_only=True)
class Task:
    """A problem as the engine sees it: something to learn from, answer and score.

    What `loss` returns are means over the batch, (), or, of what only some of its cases have, their
    sum and their number, (2,): averaged over processes and batches, each case then counts once.
    """

    network: nn.Module
    datasets: Mapping[str, Dataset]  # "train", "valid", "test"
    loss: Callable[[nn.Module, Batch], Scores]  # "loss" () is stepped on, the rest is logged
    predict: Callable[[nn.Module, Batch], Any]  # labels, points, chances or boxes
    score: Callable[[Any, Batch], Scores]  # (bs, ...): one row per case, in dataset order
    reduce: Callable[[Scores], Scores]  # (n,) per case, or () for a whole split
    best: tuple[str, Literal["max", "min"]]  # the reduced score that picks an epoch
    picture: Callable[[Any, Batch], Tensor] | None = None  # (3, h, w) uint8 of a case, for the log
    pools: Sequence[Pool] = ()  # parts of datasets["train"], in its order; (): it is one
