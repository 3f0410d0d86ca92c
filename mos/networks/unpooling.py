"""Max pooling that remembers where its values came from, and the way back."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_MAX_POOL = {2: F.max_pool2d, 3: F.max_pool3d}


def pool(features: Tensor, stride: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The largest value of each block, and its flat index in the whole: both (bs, ch, *size / stride)."""
    return _MAX_POOL[features.dim() - 2](features, stride, stride, return_indices=True)


def unpool(features: Tensor, indices: Tensor, stride: Sequence[int]) -> Tensor:
    """Puts each value back where `pool` found the largest of its block; all others are 0.

    Written as a comparison because PyTorch's own unpooling scatters, which has no deterministic form on a GPU.

    Args:
        features: (bs, ch, *size / stride).
        indices: from `pool`, of the same size.
        stride: of that `pool`.

    Returns:
        (bs, ch, *size).
    """
    for axis, times in enumerate(stride, start=2):
        if times > 1:
            features = features.repeat_interleave(times, axis)
            indices = indices.repeat_interleave(times, axis)
    size = features.shape[2:]
    place = torch.arange(size.numel(), device=features.device).view(size)
    return torch.where(indices == place, features, torch.zeros_like(features))
