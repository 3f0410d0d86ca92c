"""`unet`: the plain U-Net, 2-D and 3-D, with strides and kernels that follow the voxel's shape.

Ronneberger et al. 2015; Çiçek et al. 2016 in 3-D. Two convolutions with norm and leaky ReLU a level,
strided convolutions down, transposed ones up, skips between, as MONAI's DynUNet builds it without
its deep supervision. An axis is halved only while its voxels are not yet the longest, and is not
convolved while they are more than twice as long as the shortest (Isensee et al. 2021), so 10 mm
slices are not mixed or pooled away before their pixels have caught up.
"""

import math
from collections.abc import Sequence

from monai.networks.nets.dynunet import DynUNet
from torch import nn

from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan

CHANNELS = (32, 64, 128, 256)
_NORMS = {
    "batch": "batch",
    "instance": ("instance", {"affine": True}),
}
_GROUPS = 8  # as far as the features of every level can be divided by it
_LEAKY_RELU = ("leakyrelu", {"inplace": True, "negative_slope": 0.01})
Sizes = list[tuple[int, ...]]


def plan_levels(size: Sequence[int], spacing: Sequence[float], levels: int) -> tuple[Sizes, Sizes]:
    """Kernels and strides of an encoder, per level; the first stride is 1.

    An axis is halved when its voxels are less than twice as long as the shortest that can be
    halved and at least 8 of them remain; it is convolved over when they are at most twice as long
    as the shortest.

    Args:
        size: crop size in voxels, (h, w) or (d, h, w).
        spacing: mm along the same axes.
        levels: number of resolutions.
    """
    now, mm = list(size), list(spacing)
    kernels: Sizes = []
    strides: Sizes = [(1,) * len(now)]
    for _ in range(levels):
        kernels.append(tuple(3 if m <= 2 * min(mm) else 1 for m in mm))
        able = [n >= 8 for n in now]
        shortest = min((m for m, ok in zip(mm, able, strict=True) if ok), default=0.0)
        stride = tuple(2 if ok and m < 2 * shortest else 1 for ok, m in zip(able, mm, strict=True))
        now = [math.ceil(n / s) for n, s in zip(now, stride, strict=True)]
        mm = [m * s for m, s in zip(mm, stride, strict=True)]
        strides.append(stride)
    return kernels, strides[:levels]


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, *size) -> logits (bs, label_count, *size), any size."""
    channels = plan.channels or CHANNELS
    groups = math.gcd(_GROUPS, *channels)
    norms = _NORMS | {"group": ("group", {"num_groups": groups})}
    kernels, strides = plan_levels(plan.crop_size, plan.spacing, len(channels))
    network = DynUNet(
        spatial_dims=plan.dims,
        in_channels=plan.in_channels,
        out_channels=plan.label_count,
        kernel_size=kernels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=channels,
        norm_name=norms[plan.norm],
        act_name=_LEAKY_RELU,
        dropout=plan.dropout or None,
    )
    return PadToMultiple(network, [math.prod(column) for column in zip(*strides, strict=True)])
