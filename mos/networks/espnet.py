"""`espnet`: spatial pyramids of dilated convolutions on a few features, and a narrow decoder.

Mehta et al.: ESPNet, efficient spatial pyramid of dilated convolutions for semantic segmentation. ECCV 2018.
Kept: the ESP module (reduce, five dilations of 1 to 16, their running sums joined), the image fed in again at
1/2 and 1/4, 2 and 8 modules (alpha 2, alpha 3), the decoder of the published network. Differs: the decoder
has as many features as labels in the paper, and 20 at least here, as for its Cityscapes; it is trained in one
go, not the encoder first; means leave out what is beyond the border; the last convolution has a bias.
"""

import itertools

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan

_DILATIONS = (1, 2, 4, 8, 16)
_FEATURES = (16, 64, 128)
_MODULES = (2, 8)
_WIDTH = 20  # of the decoder


class Pyramid(nn.Module):
    """The ESP module: a few features, dilated five ways, joined.

    The first branch stands alone and the others are summed up, which takes away the grid that dilation leaves.
    With a stride of 2 a 3x3 convolution reduces, as in the paper's strided ESP.
    """

    def __init__(self, layers: Layers, in_channels: int, out_channels: int, *, stride: int = 1):
        super().__init__()
        few = out_channels // len(_DILATIONS)
        rest = out_channels - few * (len(_DILATIONS) - 1)
        self.reduce = layers.conv(in_channels, few, 1 if stride == 1 else 3, stride=stride)
        self.branches = nn.ModuleList(
            layers.conv(few, few if dilation > 1 else rest, dilation=dilation)
            for dilation in _DILATIONS
        )
        self.last = _norm_act(layers, out_channels)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, out_channels, h / stride, w / stride)."""
        reduced = self.reduce(x)
        first, *others = [branch(reduced) for branch in self.branches]
        joined = torch.cat([first, *itertools.accumulate(others)], dim=1)
        return self.last(x + joined if self.residual else joined)


class ESPNet(nn.Module):
    """The encoder ESPNet-C and the light decoder."""

    def __init__(self, layers: Layers, in_channels: int, label_count: int):
        super().__init__()
        one, two, three = _FEATURES
        width = max(label_count, _WIDTH)
        self.shrink = layers.avg_pool(3, stride=2)
        self.level_1 = nn.Sequential(
            layers.conv(in_channels, one, stride=2), _norm_act(layers, one)
        )
        self.join_1 = _norm_act(layers, one + in_channels)
        self.halve_2 = Pyramid(layers, one + in_channels, two, stride=2)
        self.level_2 = nn.Sequential(*(Pyramid(layers, two, two) for _ in range(_MODULES[0])))
        self.join_2 = _norm_act(layers, 2 * two + in_channels)
        self.halve_3 = Pyramid(layers, 2 * two + in_channels, three, stride=2)
        self.level_3 = nn.Sequential(*(Pyramid(layers, three, three) for _ in range(_MODULES[1])))
        self.join_3 = _norm_act(layers, 2 * three)

        self.coarse = nn.Sequential(
            *layers.conv_norm(2 * three, width, 1), layers.grow(width, width, bias=False)
        )
        self.lateral = layers.conv(2 * two + in_channels, width, 1)
        self.middle = nn.Sequential(
            _norm_act(layers, 2 * width),
            Pyramid(layers, 2 * width, width),
            layers.grow(width, width, bias=False),
            _norm_act(layers, width),
        )
        self.fine = nn.Sequential(
            layers.conv(one + in_channels + width, width), _norm_act(layers, width)
        )
        self.head = layers.grow(width, label_count)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w); h and w multiples of 8."""
        half = self.shrink(image)
        level_1 = self.join_1(torch.cat([self.level_1(image), half], dim=1))
        level_2 = self.halve_2(level_1)
        level_2 = torch.cat([self.level_2(level_2), level_2, self.shrink(half)], dim=1)
        level_2 = self.join_2(level_2)
        level_3 = self.halve_3(level_2)
        level_3 = self.join_3(torch.cat([level_3, self.level_3(level_3)], dim=1))

        x = self.middle(torch.cat([self.lateral(level_2), self.coarse(level_3)], dim=1))
        return self.head(self.fine(torch.cat([x, level_1], dim=1)))


def _norm_act(layers: Layers, channels: int) -> nn.Sequential:
    return nn.Sequential(layers.norm(channels), nn.PReLU(channels))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    return PadToMultiple(ESPNet(Layers.of(plan), plan.in_channels, plan.label_count), (8, 8))
