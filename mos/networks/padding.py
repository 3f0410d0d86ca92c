"""Any image size for a network that needs multiples of its strides: padded inside, cut back after."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mos.networks.outputs import Outputs, map_logits


class PadToMultiple(nn.Module):
    """Pads the end of every spatial axis with the border value, runs the network, cuts the rest off.

    Args:
        network: (bs, ch, *size) -> (bs, label_count, *size) for sizes that are multiples.
        multiples: one number per spatial axis.
        least: the smallest size the network takes, one number per spatial axis.
    """

    def __init__(
        self, network: nn.Module, multiples: Sequence[int], least: Sequence[int] | None = None
    ):
        super().__init__()
        self.network = network
        self.multiples = tuple(multiples)
        self.least = tuple(least or self.multiples)

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, ch, *size) -> (bs, label_count, *size) for any size; `Outputs` alike."""
        size = image.shape[2:]
        wanted = [max(n, low) for n, low in zip(size, self.least, strict=True)]
        wanted = [n + -n % step for n, step in zip(wanted, self.multiples, strict=True)]
        missing = [most - n for most, n in zip(wanted, size, strict=True)]
        if not any(missing):
            return self.network(image)
        padding = [value for most in reversed(missing) for value in (0, most)]
        answer = self.network(F.pad(image, padding, mode="replicate"))
        own = (..., *(slice(n) for n in size))
        return map_logits(answer, lambda logits: logits[own])
