"""Any image size for a network of one size: smaller images are padded, larger ones answered in windows."""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mos.networks.outputs import Outputs, map_logits

_OVERLAP = 0.25


class FixedSize(nn.Module):
    """A network whose position embeddings fit one size, for images of any size.

    An image of that size goes straight through. A smaller one is padded at its end with the border
    value, and the rest is cut off the answer. Windows of the size cover a larger one; where
    they overlap, by at least a quarter, their logits are averaged with a weight that falls towards the window's border.

    Args:
        network: (bs, ch, *size) -> (bs, label_count, *size) for the one size.
        size: that size.
    """

    def __init__(self, network: nn.Module, size: Sequence[int]):
        super().__init__()
        self.network = network
        self.size = tuple(size)
        ramps = [torch.arange(1, n + 1).minimum(torch.arange(n, 0, -1)) / n for n in self.size]
        weight = ramps[0]
        for ramp in ramps[1:]:
            weight = weight[..., None] * ramp
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, ch, *any size) -> (bs, label_count, *the same); `Outputs` where one pass covers it."""
        own = image.shape[2:]
        missing = [max(n - have, 0) for n, have in zip(self.size, own, strict=True)]
        if any(missing):
            padding = [value for most in reversed(missing) for value in (0, most)]
            image = F.pad(image, padding, mode="replicate")
        answer = self.network(image) if image.shape[2:] == self.size else self._slide(image)
        if not any(missing):
            return answer
        inside = (..., *(slice(n) for n in own))
        return map_logits(answer, lambda logits: logits[inside])

    def _slide(self, image: Tensor) -> Tensor:
        total, weights = None, image.new_zeros(image.shape[2:], dtype=torch.float32)
        starts = [_starts(n, step) for n, step in zip(image.shape[2:], self.size, strict=True)]
        for corner in itertools.product(*starts):
            place = tuple(slice(c, c + n) for c, n in zip(corner, self.size, strict=True))
            answer = self.network(image[(..., *place)])
            logits = answer.logits if isinstance(answer, Outputs) else answer
            if total is None:
                total = logits.new_zeros(*logits.shape[:2], *image.shape[2:], dtype=torch.float32)
            total[(..., *place)] += logits.float() * self.weight
            weights[place] += self.weight
        return (total / weights).to(logits.dtype)


def _starts(length: int, window: int) -> list[int]:
    """Where windows begin that cover `length`, evenly spaced, overlapping by a quarter at least."""
    step = max(1, int(window * (1 - _OVERLAP)))
    count = 1 + -(-(length - window) // step)
    return [round(i * (length - window) / max(count - 1, 1)) for i in range(count)]
