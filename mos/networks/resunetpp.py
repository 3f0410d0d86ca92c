"""`resunetpp`: ResUNet with squeeze-and-excitation, atrous pyramids and attention in the decoder, 2-D and 3-D.

Jha et al.: ResUNet++, an advanced architecture for medical image segmentation. IEEE ISM 2019. Kept, as in the
authors' own PyTorch code: residual units with squeeze and excitation (ratio 8), pyramids of rates 1, 6, 12,
18 as bridge and before the head, attention whose gate is made from the encoder's and the decoder's features,
widths 16 to 256. Differs: convolutions before a norm have no bias; the excitation's ReLU leaks, since both of
its two units at the finest level may else be shut for good; the gate pools by the stride of its level, which
in 3-D (not in the paper) follows the voxel's shape.
"""

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers, Size, halvings, total_stride, widths
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resunet import ResidualUnit

CHANNELS = (16, 32, 64, 128, 256)  # the last is the bridge's, at the resolution before it
_RATES = (1, 6, 12, 18)
_REDUCTION = 8


class SqueezeExcitation(nn.Module):
    """Each channel times a factor of 0 to 1 that all channels' means decide (Hu et al. 2018)."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        few = max(channels // _REDUCTION, 1)
        self.factor = nn.Sequential(
            layers.global_pool(),
            layers.conv(channels, few, 1),
            nn.LeakyReLU(),
            layers.conv(few, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, *size) -> the same."""
        return x * self.factor(x)


class AtrousPyramid(nn.Module):
    """The sum of 3x3 convolutions of four rates, and a 1x1 convolution behind it."""

    def __init__(self, layers: Layers, in_channels: int, out_channels: int):
        super().__init__()
        self.branches = nn.ModuleList(
            layers.conv_norm(in_channels, out_channels, dilation=rate) for rate in _RATES
        )
        self.mix = layers.conv(out_channels, out_channels, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, out_channels, *size)."""
        return self.mix(sum(branch(x) for branch in self.branches))


class Attention(nn.Module):
    """The decoder's features times a gate made from them and the finer features of the encoder."""

    def __init__(self, layers: Layers, finer_channels: int, channels: int, stride: Size):
        super().__init__()
        self.finer = layers.norm_relu_conv(finer_channels, channels, bias=True).append(
            layers.max_pool(stride)
        )
        self.coarse = layers.norm_relu_conv(channels, channels, bias=True)
        self.gate = layers.norm_relu_conv(channels, channels, bias=True)

    def forward(self, finer: Tensor, x: Tensor) -> Tensor:
        """(bs, finer_channels, *size), (bs, channels, *size / stride) -> (bs, channels, *size / stride)."""
        return x * self.gate(self.finer(finer) + self.coarse(x))


class ResUNetPP(nn.Module):
    """One unit a level down; attention, growing and one unit a level up.

    Args:
        channels: per level, finest first, and last the bridge's.
        strides: between the levels.
    """

    def __init__(self, layers: Layers, in_channels: int, label_count: int, channels, strides):
        super().__init__()

        def unit(one: int, two: int, stride: Size = 1, first: bool = False) -> nn.Sequential:
            residual = ResidualUnit(layers, one, two, stride, first)
            return nn.Sequential(residual, SqueezeExcitation(layers, two))

        levels = range(len(strides))
        self.first = unit(in_channels, channels[0], first=True)
        self.down = nn.ModuleList(unit(channels[i], channels[i + 1], strides[i]) for i in levels)
        self.bridge = AtrousPyramid(layers, channels[-2], channels[-1])
        # The decoder's features at a level come with the width of the level below it.
        self.attend = nn.ModuleList(
            Attention(layers, channels[i], channels[i + 2], strides[i]) for i in levels
        )
        self.grow = nn.ModuleList(nn.Upsample(scale_factor=strides[i]) for i in levels)
        self.up = nn.ModuleList(
            unit(channels[i] + channels[i + 2], channels[i + 1]) for i in levels
        )
        self.head = nn.Sequential(
            AtrousPyramid(layers, channels[1], channels[0]),
            layers.conv(channels[0], label_count, 1, bias=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, label_count, *size); sizes that the strides divide."""
        skips = [self.first(x)]
        for unit in self.down:
            skips.append(unit(skips[-1]))
        x = self.bridge(skips.pop())
        for level in reversed(range(len(skips))):
            x = self.grow[level](self.attend[level](skips[level], x))
            x = self.up[level](torch.cat([x, skips[level]], dim=1))
        return self.head(x)


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, *size) -> logits (bs, label_count, *size), any size."""
    channels = widths(plan, CHANNELS, least=3)
    strides = halvings(plan, len(channels) - 2)
    network = ResUNetPP(Layers.of(plan), plan.in_channels, plan.label_count, channels, strides)
    return PadToMultiple(network, total_stride(strides))
