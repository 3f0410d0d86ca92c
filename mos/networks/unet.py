"""`unet`: the residual U-Net of MONAI, 2-D and 3-D, pooled according to the voxel's shape.

Kerfoot et al. 2018, "Left-Ventricle Quantification Using Residual U-Net": an encoder of strided
residual units and a decoder of transposed convolutions. An axis is halved only while its voxels are
not yet the longest, so 10 mm slices are not pooled away before their pixels have caught up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

_NORMS = {
    "batch": "batch",
    "instance": ("instance", {"affine": True}),
    "group": ("group", {"num_groups": 8}),
}

DIMS = (2, 3)


def strides_for(
    size: Sequence[int], spacing: Sequence[float], levels: int
) -> list[tuple[int, ...]]:
    """Strides between the levels of an encoder.

    An axis is halved when its voxels are less than twice as long as the shortest axis' voxels
    at that level and at least 4 voxels remain.

    Args:
        size: crop size in voxels, (h, w) or (d, h, w).
        spacing: mm along the same axes.
        levels: number of resolutions; one stride less is returned.
    """
    now, mm, strides = list(size), list(spacing), []
    for _ in range(levels - 1):
        able = [n % 2 == 0 and n >= 8 for n in now]
        shortest = min((m for m, ok in zip(mm, able, strict=True) if ok), default=0.0)
        stride = tuple(2 if ok and m < 2 * shortest else 1 for ok, m in zip(able, mm, strict=True))
        now = [n // s for n, s in zip(now, stride, strict=True)]
        mm = [m * s for m, s in zip(mm, stride, strict=True)]
        strides.append(stride)
    return strides


def build(
    *,
    in_channels: int,
    label_count: int,
    crop_size: Sequence[int],
    spacing: Sequence[float],
    channels: Sequence[int],
    norm: str,
    dropout: float,
) -> nn.Module:
    """The network: (bs, in_channels, *size) -> logits (bs, label_count, *size).

    Args:
        crop_size: (h, w) or (d, h, w): sets dimensions and strides.
        spacing: mm along the same axes.
        channels: features per level, finest first.
        norm: batch, instance or group.
    """
    from monai.networks.nets.unet import UNet

    from mos.networks.padding import PadToMultiple

    dims = len(crop_size)
    strides = strides_for(crop_size, spacing, len(channels))
    network = UNet(
        spatial_dims=dims,
        in_channels=in_channels,
        out_channels=label_count,
        channels=tuple(channels),
        strides=strides,
        num_res_units=2,
        norm=_NORMS[norm],
        dropout=dropout,
    )
    return PadToMultiple(network, [math.prod(column) for column in zip(*strides, strict=True)])
