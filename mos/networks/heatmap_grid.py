"""Networks that answer on a coarser grid than their image: any image size, one answer per grid pixel."""

import torch.nn.functional as F
from torch import Tensor, nn


class OnGrid(nn.Module):
    """Pads the end of both axes with the border value, runs the network, cuts the grid to what covers the image.

    Args:
        network: (bs, ch, h, w) -> (bs, point_count, h / stride, w / stride) for sizes that are multiples.
        stride: image pixels per grid pixel.
        multiple: what h and w have to be multiples of, itself one of the stride.
    """

    def __init__(self, network: nn.Module, stride: int, multiple: int):
        super().__init__()
        if multiple % stride:
            raise ValueError(f"multiples of {multiple} are none of the stride {stride}")
        self.network = network
        self.stride = stride
        self.multiple = multiple

    def forward(self, image: Tensor) -> Tensor:
        """(bs, ch, h, w) -> (bs, point_count, ceil(h / stride), ceil(w / stride)) for any size."""
        h, w = image.shape[2:]
        below, right = -h % self.multiple, -w % self.multiple
        if below or right:
            image = F.pad(image, (0, right, 0, below), mode="replicate")
        logits = self.network(image)
        return logits[..., : -(-h // self.stride), : -(-w // self.stride)]
