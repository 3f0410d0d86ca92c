"""`enet`: a small network for speed: early halving, bottlenecks of many kinds, a shallow decoder with unpooling.

Paszke et al.: ENet, a deep neural network architecture for real-time semantic segmentation. arXiv:1606.02147,
2016. Kept: table 1 as it is (16, 64, 128 features; regular, dilated and 5x1-1x5 bottlenecks), pooling indices,
and what the paper leaves open as in the authors' code: a bottleneck is a quarter as wide as what comes out of
it, spatial dropout 0.01 and 0.1 and PReLU in the encoder, ReLU and no dropout in the decoder, a 2x2 head.
Differs: the first convolution has 16 features less the image's own channels, 13 for three; no bias before a norm;
encoder and decoder learn together, where the authors trained the encoder first, with classes weighted by their
rarity; the last norm of a bottleneck starts with a scale of zero, without which two dozen branches drown what
they are added to, and hundreds of steps teach it nothing.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mos.networks.layers import Layers
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.unpooling import pool, unpool

_STEM, _MIDDLE, _DEEP = 16, 64, 128
_STRIDE = (2, 2)
# Stages 2 and 3 of the paper's table: the dilation of a 3x3 convolution, or "long" for 5x1 and 1x5.
_DEEP_KINDS = (1, 2, "long", 4, 1, 8, "long", 16)


class Stem(nn.Module):
    """A strided convolution beside max pooling of the image itself."""

    def __init__(self, layers: Layers, in_channels: int):
        super().__init__()
        learnt = max(_STEM - in_channels, 13)
        self.out_channels = learnt + in_channels
        self.conv = layers.conv(in_channels, learnt, stride=2)
        self.pool = layers.max_pool()
        self.last = nn.Sequential(layers.norm(self.out_channels), nn.PReLU(self.out_channels))

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, out_channels, h / 2, w / 2)."""
        return self.last(torch.cat([self.conv(image), self.pool(image)], dim=1))


def _silent(norm: nn.Module) -> nn.Module:
    """The last norm of a branch, which adds nothing in the first step."""
    if getattr(norm, "weight", None) is not None:  # a norm may have no scale
        nn.init.zeros_(norm.weight)
    return norm


class Bottleneck(nn.Module):
    """1x1 down to a quarter, a convolution, 1x1 up, dropout; added to the features that came.

    Args:
        kind: dilation of the 3x3 convolution, or "long" for 5x1 and 1x5.
        act: makes the activation for a number of channels.
    """

    def __init__(self, layers: Layers, channels: int, dropout: float = 0.0, kind=1, act=nn.PReLU):
        super().__init__()
        inner = channels // 4
        if kind == "long":
            tall = layers.conv(inner, inner, (5, 1))
            middle = nn.Sequential(tall, *layers.conv_norm(inner, inner, (1, 5)))
        else:
            middle = layers.conv_norm(inner, inner, dilation=kind)
        self.change = nn.Sequential(
            *layers.conv_norm(channels, inner, 1),
            act(inner),
            middle,
            act(inner),
            layers.conv(inner, channels, 1),
            _silent(layers.norm(channels)),
            layers.dropout(dropout),
        )
        self.act = act(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, channels, h, w) -> the same."""
        return self.act(x + self.change(x))


class Halve(nn.Module):
    """The bottleneck that halves: 2x2 strided convolution beside max pooling, which adds empty channels."""

    def __init__(self, layers: Layers, in_channels: int, out_channels: int, dropout: float):
        super().__init__()
        inner = out_channels // 4
        self.more = out_channels - in_channels
        self.change = nn.Sequential(
            nn.Conv2d(in_channels, inner, 2, stride=2, bias=False),
            layers.norm(inner),
            nn.PReLU(inner),
            *layers.conv_norm(inner, inner),
            nn.PReLU(inner),
            layers.conv(inner, out_channels, 1),
            _silent(layers.norm(out_channels)),
            layers.dropout(dropout),
        )
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(bs, in_channels, h, w) -> (bs, out_channels, h / 2, w / 2), and the places of the pooled values."""
        pooled, places = pool(x, _STRIDE)
        kept = F.pad(pooled, (0, 0, 0, 0, 0, self.more))
        return self.act(kept + self.change(x)), places


class Double(nn.Module):
    """The bottleneck that doubles: a transposed convolution beside unpooling."""

    def __init__(self, layers: Layers, in_channels: int, out_channels: int):
        super().__init__()
        inner = out_channels // 4
        self.fewer = layers.conv_norm(in_channels, out_channels, 1)
        self.change = nn.Sequential(
            *layers.conv_norm_relu(in_channels, inner, 1),
            nn.ConvTranspose2d(inner, inner, 3, 2, padding=1, output_padding=1, bias=False),
            layers.norm(inner),
            nn.ReLU(),
            layers.conv(inner, out_channels, 1),
            _silent(layers.norm(out_channels)),
        )

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, out_channels, 2 h, 2 w)."""
        return F.relu(unpool(self.fewer(x), places, _STRIDE) + self.change(x))


class ENet(nn.Module):
    """Stages 1 to 5 of the paper and its full convolution."""

    def __init__(self, layers: Layers, in_channels: int, label_count: int):
        super().__init__()

        def relu(_: int) -> nn.Module:
            return nn.ReLU()

        self.stem = Stem(layers, in_channels)
        stem = self.stem.out_channels
        self.halve_1 = Halve(layers, stem, _MIDDLE, 0.01)
        self.stage_1 = nn.Sequential(*(Bottleneck(layers, _MIDDLE, 0.01) for _ in range(4)))
        self.halve_2 = Halve(layers, _MIDDLE, _DEEP, 0.1)
        self.stage_2_3 = nn.Sequential(
            *(Bottleneck(layers, _DEEP, 0.1, kind) for kind in _DEEP_KINDS * 2)
        )
        self.double_4 = Double(layers, _DEEP, _MIDDLE)
        self.stage_4 = nn.Sequential(*(Bottleneck(layers, _MIDDLE, act=relu) for _ in range(2)))
        self.double_5 = Double(layers, _MIDDLE, stem)
        self.stage_5 = Bottleneck(layers, stem, act=relu)
        self.head = layers.grow(stem, label_count)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w); h and w multiples of 8."""
        x, first = self.halve_1(self.stem(image))
        x, second = self.halve_2(self.stage_1(x))
        x = self.stage_4(self.double_4(self.stage_2_3(x), second))
        return self.head(self.stage_5(self.double_5(x, first)))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    return PadToMultiple(ENet(Layers.of(plan), plan.in_channels, plan.label_count), (8, 8))
