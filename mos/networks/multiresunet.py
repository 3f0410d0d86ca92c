"""`multiresunet`: a U-Net of blocks that see three sizes at once, and convolved skips, 2-D and 3-D.

Ibtehaz, Rahman: MultiResUNet, rethinking the U-Net architecture for multimodal biomedical image segmentation.
Neural Networks 2020. Kept: blocks of three 3x3 convolutions in a row whose outputs are joined (3x3, 5x5,
7x7), of 1.67 times U-Net's width in parts of 1/6, 1/3, 1/2; a 1x1 shortcut; paths of 4, 3, 2, 1 residual
convolutions on the skips; transposed convolutions up; widths 32 to 512. Differs: norms have a scale too; the
head is a plain 1x1 convolution, where the authors' code norms the logits; poolings follow the voxel's shape.
"""

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers, halvings, total_stride, widths
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan

CHANNELS = (32, 64, 128, 256, 512)  # of the U-Net it is compared with
_ALPHA = 1.67
_PARTS = (0.167, 0.333, 0.5)


class MultiRes(nn.Module):
    """Three 3x3 convolutions in a row, their outputs joined, beside a 1x1 shortcut.

    Attributes:
        out_channels: what it gives, about 1.67 times the `width` asked for.
    """

    def __init__(self, layers: Layers, in_channels: int, width: int):
        super().__init__()
        parts = [max(int(_ALPHA * width * part), 1) for part in _PARTS]
        self.out_channels = sum(parts)
        self.shortcut = layers.conv_norm(in_channels, self.out_channels, 1)
        before = (in_channels, *parts)
        self.convs = nn.ModuleList(
            layers.conv_norm_relu(one, two) for one, two in zip(before, parts, strict=False)
        )
        self.joined = layers.norm(self.out_channels)
        self.last = nn.Sequential(nn.ReLU(), layers.norm(self.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, out_channels, *size)."""
        seen, last = [], x
        for conv in self.convs:
            last = conv(last)
            seen.append(last)
        return self.last(self.shortcut(x) + self.joined(torch.cat(seen, dim=1)))


class ResPath(nn.Module):
    """Residual 3x3 convolutions that bring a skip nearer to the decoder's features."""

    def __init__(self, layers: Layers, in_channels: int, out_channels: int, length: int):
        super().__init__()
        before = [in_channels] + [out_channels] * (length - 1)
        self.convs = nn.ModuleList(layers.conv_norm_relu(n, out_channels) for n in before)
        self.shortcuts = nn.ModuleList(layers.conv_norm(n, out_channels, 1) for n in before)
        self.last = nn.ModuleList(
            nn.Sequential(nn.ReLU(), layers.norm(out_channels)) for _ in before
        )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, out_channels, *size)."""
        for conv, shortcut, last in zip(self.convs, self.shortcuts, self.last, strict=True):
            x = last(conv(x) + shortcut(x))
        return x


class MultiResUNet(nn.Module):
    """One block a level down, one a level up, a path on each skip.

    Args:
        channels: widths per level of the U-Net it is compared with, finest first.
        strides: between the levels, one fewer.
    """

    def __init__(self, layers: Layers, in_channels: int, label_count: int, channels, strides):
        super().__init__()
        levels = range(len(strides))
        self.down = nn.ModuleList()
        for width in channels:
            self.down.append(MultiRes(layers, in_channels, width))
            in_channels = self.down[-1].out_channels
        self.pools = nn.ModuleList(layers.max_pool(stride) for stride in strides)
        self.up = nn.ModuleList(MultiRes(layers, 2 * channels[i], channels[i]) for i in levels)
        below = [block.out_channels for block in (*self.up[1:], self.down[-1])]
        self.grow = nn.ModuleList(layers.grow(below[i], channels[i], strides[i]) for i in levels)
        self.paths = nn.ModuleList(
            ResPath(layers, self.down[i].out_channels, channels[i], len(strides) - i)
            for i in levels
        )
        self.head = layers.conv(self.up[0].out_channels, label_count, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, label_count, *size); sizes that the strides divide."""
        skips = []
        for block, pool, path in zip(self.down, self.pools, self.paths, strict=False):
            x = block(x)
            skips.append(path(x))
            x = pool(x)
        x = self.down[-1](x)
        for level in reversed(range(len(skips))):
            x = self.up[level](torch.cat([self.grow[level](x), skips[level]], dim=1))
        return self.head(x)


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, *size) -> logits (bs, label_count, *size), any size."""
    channels = widths(plan, CHANNELS)
    strides = halvings(plan, len(channels) - 1)
    network = MultiResUNet(Layers.of(plan), plan.in_channels, plan.label_count, channels, strides)
    return PadToMultiple(network, total_stride(strides))
