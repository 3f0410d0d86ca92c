"""`unet` for landmarks: the U-Net of segmentation on an image whose small squares are folded into channels.

With stride s each square of s x s pixels becomes one pixel of s^2 channels (Shi et al. 2016, sub-pixel
convolution turned round), so no pixel is thrown away and the costly first level has s^2 times fewer places.
"""

from dataclasses import replace

from torch import nn

from mos.networks import unet
from mos.networks.heatmap_grid import OnGrid
from mos.networks.plan import Plan

CHANNELS = (32, 64, 128, 128, 128)


def build(plan: Plan, stride: int) -> nn.Module:
    """(bs, in_channels, h, w) -> logits (bs, label_count, ceil(h / stride), ceil(w / stride)), any size."""
    inner = replace(
        plan,
        in_channels=plan.in_channels * stride**2,
        crop_size=tuple(-(-n // stride) for n in plan.crop_size),
        spacing=tuple(mm * stride for mm in plan.spacing),
        channels=plan.channels or CHANNELS,
    )
    return OnGrid(nn.Sequential(nn.PixelUnshuffle(stride), unet.build(inner)), stride, stride)
