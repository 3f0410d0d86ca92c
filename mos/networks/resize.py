"""Feature maps and logits at another size, by (bi-, tri-)linear interpolation."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resize(features: Tensor, size: Sequence[int], *, align_corners: bool = False) -> Tensor:
    """(bs, ch, *any size) -> (bs, ch, *size); what has the size already comes back as it is."""
    size = tuple(size)
    if tuple(features.shape[2:]) == size:
        return features
    mode = _MODES[len(size)]
    return F.interpolate(features, size=size, mode=mode, align_corners=align_corners)
