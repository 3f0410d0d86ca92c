"""Any image size for a network that needs multiples of its strides: padded inside, cut back after."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class PadToMultiple(nn.Module):
    """Pads the end of every spatial axis with the border value, runs the network, cuts the rest off.

    Args:
        network: (bs, ch, *size) -> (bs, label_count, *size) for sizes that are multiples.
        multiples: one number per spatial axis.
    """

    def __init__(self, network: nn.Module, multiples: Sequence[int]):
        super().__init__()
        self.network = network
        self.multiples = tuple(multiples)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, ch, *size) -> (bs, label_count, *size) for any size."""
        size = image.shape[2:]
        missing = [-n % multiple for n, multiple in zip(size, self.multiples, strict=True)]
        if not any(missing):
            return self.network(image)
        padding = [value for most in reversed(missing) for value in (0, most)]
        logits = self.network(F.pad(image, padding, mode="replicate"))
        return logits[(..., *(slice(n) for n in size))]
