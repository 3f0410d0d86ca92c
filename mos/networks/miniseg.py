"""`miniseg`: 83 thousand parameters: attentive pyramids of dilated depthwise convolutions, for few images.

Qiu, Liu, Li, Xu: MiniSeg, an extremely minimum network for efficient COVID-19 segmentation. AAAI 2021. Kept,
as in the authors' code: the attentive hierarchical spatial pyramid (dilations 1, 2, 4, 8), the side path of
5x5 depthwise convolutions that is joined to every stage, 2, 3, 8 and 6 blocks on 8, 24, 32 and 64 features,
the feature fusion of the decoder, three side outputs with weight 0.4 in training. Differs:
running means leave out what is beyond the border; convolutions before a norm have no bias; side outputs are
made before they grow.
"""

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resize import resize

_FEATURES = (8, 24, 32, 64)
_BLOCKS = (2, 3, 8, 6)
_DILATIONS = (1, 2, 4, 8)
_DROPOUT = 0.01
_SIDE_WEIGHT = 0.4


class AttentivePyramid(nn.Module):
    """Few features dilated four ways and summed up from narrow to wide; each sum weighted by a map of its own."""

    def __init__(self, layers: Layers, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        few = out_channels // len(_DILATIONS)
        self.reduce = layers.conv(in_channels, few, 1)
        self.branches = nn.ModuleList(
            layers.conv(few, few, stride=stride, dilation=dilation, groups=few)
            for dilation in _DILATIONS
        )
        self.pool = layers.avg_pool(3, stride)
        groups = len(_DILATIONS)
        self.attention = layers.conv(out_channels, groups, 1, groups=groups)
        self.fuse = nn.Sequential(
            *layers.conv_norm(out_channels, out_channels, 1, groups=groups),
            nn.PReLU(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, out_channels, h / stride, w / stride)."""
        x = self.reduce(x)
        sums = [self.pool(x)]
        for branch in self.branches:
            sums.append(sums[-1] + branch(x))
        weights = torch.sigmoid(self.attention(torch.cat(sums[1:], dim=1)))
        weighted = [
            one * (1 + weight)
            for one, weight in zip(sums[1:], weights.split(1, dim=1), strict=True)
        ]
        return self.fuse(torch.cat(weighted, dim=1))


class Stage(nn.Module):
    """Blocks with residuals, and beside them a side path that is added before each of them.

    Args:
        block: makes a block: (layers, in_channels, out_channels, stride).
        last: the side path ends here; elsewhere path and blocks are mixed for the next stage.
    """

    def __init__(self, layers: Layers, in_channels: int, channels: int, count: int, block, last):
        super().__init__()
        self.enter = block(layers, in_channels, channels, 2)
        self.enter_side = _wide_depthwise(layers, in_channels, channels, 2)
        self.blocks = nn.ModuleList(block(layers, channels, channels, 1) for _ in range(count))
        self.side = nn.ModuleList(
            _wide_depthwise(layers, channels, channels, 1) for _ in range(count // 2)
        )
        self.mix = None if last else layers.conv_norm(2 * channels, 2 * channels, 1)

    def forward(self, x: Tensor, side: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Twice (bs, in_channels, h, w) -> the stage's features, and both paths' input to the next stage."""
        x, side = self.enter(x), self.enter_side(side)
        for i, block in enumerate(self.blocks):
            both = x + side
            x = x + block(both)
            if i < len(self.side):
                side = side + self.side[i](both)
        if self.mix is None:
            return x, x, side
        to_side, to_x = self.mix(torch.cat([side, x], dim=1)).chunk(2, dim=1)
        return x, x + to_x, side + to_side


class Fusion(nn.Module):
    """Coarser features through depthwise convolutions of two dilations, plus the encoder's through 1x1."""

    def __init__(self, layers: Layers, coarse_channels: int, channels: int):
        super().__init__()
        self.width = layers.conv(coarse_channels, channels, 1)
        self.narrow = layers.conv(channels, channels, groups=channels)
        self.wide = layers.conv(channels, channels, dilation=2, groups=channels)
        self.norm = layers.norm(channels)
        self.lateral = layers.conv_norm(channels, channels, 1)
        self.act = nn.PReLU(channels)

    def forward(self, coarse: Tensor, features: Tensor) -> Tensor:
        """(bs, coarse_channels, any size), (bs, channels, h, w) -> (bs, channels, h, w)."""
        coarse = resize(self.width(coarse), features.shape[2:])  # either way round is the same
        coarse = self.norm(self.narrow(coarse) + self.wide(coarse))
        return self.act(coarse + self.lateral(features))


class MiniSeg(nn.Module):
    """Four stages down, three fusions up."""

    def __init__(self, layers: Layers, in_channels: int, label_count: int):
        super().__init__()
        before = (in_channels, *_FEATURES)
        self.stages = nn.ModuleList(
            Stage(
                layers,
                before[i],
                _FEATURES[i],
                _BLOCKS[i],
                AttentivePyramid if i else _plain,
                last=i == len(_FEATURES) - 1,
            )
            for i in range(len(_FEATURES))
        )
        deepest = _FEATURES[-1]
        self.top = nn.Sequential(*layers.conv_norm(deepest, deepest, 1), nn.PReLU(deepest))
        self.fuse = nn.ModuleList(
            Fusion(layers, two, one) for one, two in zip(_FEATURES, _FEATURES[1:], strict=False)
        )
        self.heads = nn.ModuleList(
            nn.Sequential(layers.dropout(_DROPOUT), layers.conv(n, label_count, 1, bias=True))
            for n in _FEATURES
        )

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w); in train mode with three side outputs."""
        encoder, x, side = [], image, image
        for stage in self.stages:
            features, x, side = stage(x, side)
            encoder.append(features)
        decoder = [self.top(encoder.pop())]
        for fuse, features in zip(reversed(self.fuse), reversed(encoder), strict=True):
            decoder.insert(0, fuse(decoder[0], features))
        count = len(decoder) if self.training else 1
        pairs = zip(self.heads[:count], decoder[:count], strict=True)
        logits, *others = [resize(head(x), image.shape[2:]) for head, x in pairs]
        if not self.training:
            return logits
        return Outputs(logits, tuple(Auxiliary(_SIDE_WEIGHT, other) for other in others))


def _plain(layers: Layers, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    conv = layers.conv_norm(in_channels, out_channels, stride=stride)
    return nn.Sequential(*conv, nn.PReLU(out_channels))


def _wide_depthwise(layers: Layers, in_channels: int, channels: int, stride: int) -> nn.Module:
    return nn.Sequential(
        layers.conv(in_channels, channels, 1),
        *layers.conv_norm(channels, channels, 5, stride=stride, groups=channels),
        nn.PReLU(channels),
    )


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    return PadToMultiple(MiniSeg(Layers.of(plan), plan.in_channels, plan.label_count), (16, 16))
