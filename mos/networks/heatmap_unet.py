"""`unet` for landmarks: the U-Net of segmentation on an image whose small squares are folded into channels.

With stride s each square of s x s pixels becomes one pixel of s^2 channels (Shi et al. 2016, sub-pixel
convolution turned round), so no pixel is thrown away and the costly first level has s^2 times fewer places.
Two more channels say where each square lies (Liu et al. 2018, CoordConv): the ear looks much the same in many
places of a skull, but it is in one of them.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from mos.networks import unet
from mos.networks.heatmap_grid import OnGrid
from mos.networks.plan import Plan

CHANNELS = (32, 64, 128, 128, 128)


def build(plan: Plan, stride: int) -> nn.Module:
    """(bs, in_channels, h, w) -> logits (bs, label_count, ceil(h / stride), ceil(w / stride)), any size."""
    inner = replace(
        plan,
        in_channels=plan.in_channels * stride**2 + 2,
        crop_size=tuple(-(-n // stride) for n in plan.crop_size),
        spacing=tuple(mm * stride for mm in plan.spacing),
        channels=plan.channels or CHANNELS,
    )
    folded = nn.Sequential(nn.PixelUnshuffle(stride), Places(), unet.build(inner))
    return OnGrid(folded, stride, stride)


class Places(nn.Module):
    """Adds two channels: how far each pixel lies from the left and from the top, from -1 to 1."""

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> (bs, ch + 2, h, w)."""
        bs, _, h, w = x.shape
        down = torch.linspace(-1, 1, h, device=x.device, dtype=x.dtype)[:, None].expand(h, w)
        right = torch.linspace(-1, 1, w, device=x.device, dtype=x.dtype).expand(h, w)
        return torch.cat([x, torch.stack([right, down]).expand(bs, 2, h, w)], 1)
