"""`resunet`: a U-Net of pre-activated residual units with strided convolutions, 2-D and 3-D.

Zhang, Liu, Wang: Road extraction by deep residual U-Net. IEEE GRSL 2018. Kept: units of norm, ReLU and
convolution twice, a stride of 2 in a unit's first convolution instead of pooling, nearest-neighbour growing,
concatenation, widths 64 to 512. The paper's identity mappings change width and size, so here a 1x1
convolution with norm carries them. Differs: convolutions before a norm have no bias; in 3-D (not in the
paper) the slice axis is halved once its voxels are no longer twice as long as the others.
"""

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers, Size, halvings, total_stride, widths
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan

CHANNELS = (64, 128, 256, 512)


class ResidualUnit(nn.Module):
    """norm - ReLU - conv - norm - ReLU - conv, beside a 1x1 convolution with norm.

    Args:
        stride: of the first convolution and of the shortcut.
        first: the unit sees the image itself, which is convolved before it is normed.
    """

    def __init__(
        self,
        layers: Layers,
        in_channels: int,
        out_channels: int,
        stride: Size = 1,
        first: bool = False,
    ):
        super().__init__()
        start = layers.conv if first else layers.norm_relu_conv
        self.residual = nn.Sequential(
            start(in_channels, out_channels, stride=stride),
            layers.norm_relu_conv(out_channels, out_channels, bias=True),
        )
        self.shortcut = layers.conv_norm(in_channels, out_channels, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, out_channels, *size / stride)."""
        return self.residual(x) + self.shortcut(x)


class ResUNet(nn.Module):
    """One unit a level down, one a level up.

    Args:
        channels: per level, finest first.
        strides: between the levels, one fewer.
    """

    def __init__(self, layers: Layers, in_channels: int, label_count: int, channels, strides):
        super().__init__()
        levels = range(len(strides))
        self.first = ResidualUnit(layers, in_channels, channels[0], first=True)
        self.down = nn.ModuleList(
            ResidualUnit(layers, channels[i], channels[i + 1], strides[i]) for i in levels
        )
        self.grow = nn.ModuleList(nn.Upsample(scale_factor=strides[i]) for i in levels)
        self.up = nn.ModuleList(
            ResidualUnit(layers, channels[i] + channels[i + 1], channels[i]) for i in levels
        )
        self.head = layers.conv(channels[0], label_count, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, label_count, *size); sizes that the strides divide."""
        skips = [self.first(x)]
        for unit in self.down:
            skips.append(unit(skips[-1]))
        x = skips.pop()
        for level in reversed(range(len(skips))):
            x = self.up[level](torch.cat([self.grow[level](x), skips[level]], dim=1))
        return self.head(x)


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, *size) -> logits (bs, label_count, *size), any size."""
    channels = widths(plan, CHANNELS)
    strides = halvings(plan, len(channels) - 1)
    network = ResUNet(Layers.of(plan), plan.in_channels, plan.label_count, channels, strides)
    return PadToMultiple(network, total_stride(strides))
