"""What a network gives in training beside its logits: further answers that have a loss of their own."""

from typing import Literal, NamedTuple

from torch import Tensor


class Auxiliary(NamedTuple):
    """A further answer, such as a side output of deep supervision or an edge.

    Attributes:
        weight: its loss counts so many times beside that of the logits, which counts once.
        logits: (bs, label_count, *size) of a segmentation, (bs, 1, *size) of edges.
        target: what it should look like: the segmentation, or the edges of its structures.
    """

    weight: float
    logits: Tensor
    target: Literal["segment", "edge"] = "segment"


class Outputs(NamedTuple):
    """Logits (bs, label_count, *size), and further answers of the same size; in train mode only."""

    logits: Tensor
    auxiliary: tuple[Auxiliary, ...] = ()


def map_logits(answer: "Tensor | Outputs", change) -> "Tensor | Outputs":
    """The same answer with `change` applied to every tensor of logits in it."""
    if not isinstance(answer, Outputs):
        return change(answer)
    return Outputs(
        change(answer.logits),
        tuple(one._replace(logits=change(one.logits)) for one in answer.auxiliary),
    )
