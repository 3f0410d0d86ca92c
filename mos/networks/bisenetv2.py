"""`bisenetv2`: one branch for detail, one for meaning, each guiding the other, and booster heads in training.

Yu et al.: BiSeNet V2, bilateral network with guided aggregation for real-time semantic segmentation. IJCV
2021. Kept: table 1's detail branch, and its semantic branch of stem, gather-and-expansion layers (expansion
6) and context embedding; guided aggregation; a head of 1024 features; four booster heads, counted as much as
the main one. Differs: the context block's and the aggregation's last convolutions have norm and ReLU, the
head drops a tenth of its features, and the boosters have 128 features each (the paper gives no number), as in
an earlier version of the reimplementation CoinCheung/BiSeNet; whatever grows grows bilinearly at once; means
leave out what is beyond the border; the gates' 1x1 convolutions have a bias.
"""

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resize import resize

_EXPANSION = 6
_STEM = 16
_SEMANTIC = (32, 64, 128)  # features of stages 3, 4, 5
_LAYERS = (2, 2, 4)  # gather-and-expansion layers of each
_WIDTH = 128  # of both branches' ends
_HEAD, _BOOSTER = 1024, 128
_DROPOUT = 0.1


class Stem(nn.Module):
    """A quarter of the size by a strided convolution beside max pooling."""

    def __init__(self, layers: Layers, in_channels: int):
        super().__init__()
        self.first = layers.conv_norm_relu(in_channels, _STEM, stride=2)
        self.conv = nn.Sequential(
            layers.conv_norm_relu(_STEM, _STEM // 2, 1),
            layers.conv_norm_relu(_STEM // 2, _STEM, stride=2),
        )
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.fuse = layers.conv_norm_relu(2 * _STEM, _STEM)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, 16, h / 4, w / 4)."""
        x = self.first(image)
        return self.fuse(torch.cat([self.conv(x), self.pool(x)], dim=1))


class GatherExpand(nn.Module):
    """A 3x3 convolution, a depthwise one to six times the features, 1x1 back; a residual round it."""

    def __init__(self, layers: Layers, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        many = in_channels * _EXPANSION
        depthwise = [
            layers.conv_norm(in_channels, many, stride=stride, groups=in_channels),
            *([layers.conv_norm(many, many, groups=many)] if stride > 1 else []),
        ]
        self.change = nn.Sequential(
            layers.conv_norm_relu(in_channels, in_channels),
            *depthwise,
            layers.conv_norm(many, out_channels, 1),
        )
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(
                layers.conv_norm(in_channels, in_channels, stride=stride, groups=in_channels),
                layers.conv_norm(in_channels, out_channels, 1),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, out_channels, h / stride, w / stride)."""
        return torch.relu(self.change(x) + self.shortcut(x))


class ContextEmbedding(nn.Module):
    """Adds what the whole image is about to every pixel."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        self.whole = nn.Sequential(
            layers.global_pool(),
            layers.norm(channels),
            layers.conv_norm_relu(channels, channels, 1),
        )
        self.last = layers.conv_norm_relu(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> the same."""
        return self.last(x + self.whole(x))


class GuidedAggregation(nn.Module):
    """Detail times a gate from meaning, plus meaning times a gate from detail: at both branches' sizes."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()

        def separable() -> nn.Sequential:
            depthwise = layers.conv_norm(channels, channels, groups=channels)
            return nn.Sequential(*depthwise, layers.conv(channels, channels, 1, bias=True))

        self.detail = separable()
        self.detail_small = nn.Sequential(
            layers.conv_norm(channels, channels, stride=2), layers.avg_pool(3, stride=2)
        )
        self.semantic = separable()
        self.semantic_large = layers.conv_norm(channels, channels)
        self.last = layers.conv_norm_relu(channels, channels)

    def forward(self, detail: Tensor, semantic: Tensor) -> Tensor:
        """(bs, ch, h, w), (bs, ch, h / 4, w / 4) -> (bs, ch, h, w)."""
        size = detail.shape[2:]
        gate = torch.sigmoid(resize(self.semantic_large(semantic), size))
        small = self.detail_small(detail) * torch.sigmoid(self.semantic(semantic))
        return self.last(self.detail(detail) * gate + resize(small, size))


class BiSeNetV2(nn.Module):
    """Two branches, their aggregation, a head, and boosters on the semantic branch."""

    def __init__(self, layers: Layers, in_channels: int, label_count: int):
        super().__init__()
        widths = (in_channels, 64, 64, 64, 64, 64, _WIDTH, _WIDTH, _WIDTH)
        strides = (2, 1, 2, 1, 1, 2, 1, 1)
        self.detail = nn.Sequential(
            *(
                layers.conv_norm_relu(one, two, stride=stride)
                for one, two, stride in zip(widths, widths[1:], strides, strict=False)
            )
        )
        self.stem = Stem(layers, in_channels)
        before = (_STEM, *_SEMANTIC)
        self.semantic = nn.ModuleList(
            nn.Sequential(
                GatherExpand(layers, one, two, stride=2),
                *(GatherExpand(layers, two, two) for _ in range(count - 1)),
            )
            for one, two, count in zip(before, _SEMANTIC, _LAYERS, strict=False)
        )
        self.context = ContextEmbedding(layers, _WIDTH)
        self.aggregate = GuidedAggregation(layers, _WIDTH)
        self.head = _head(layers, _WIDTH, _HEAD, label_count)
        self.boosters = nn.ModuleList(
            _head(layers, channels, _BOOSTER, label_count) for channels in before
        )

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w); in train mode with four side outputs."""
        size = image.shape[2:]
        features = [self.stem(image)]
        for stage in self.semantic:
            features.append(stage(features[-1]))
        x = self.aggregate(self.detail(image), self.context(features[-1]))
        logits = resize(self.head(x), size)
        if not self.training:
            return logits
        side = zip(self.boosters, features, strict=True)
        return Outputs(logits, tuple(Auxiliary(1.0, resize(head(x), size)) for head, x in side))


def _head(layers: Layers, in_channels: int, inner: int, label_count: int) -> nn.Sequential:
    return nn.Sequential(
        *layers.conv_norm_relu(in_channels, inner),
        nn.Dropout(_DROPOUT),
        layers.conv(inner, label_count, 1, bias=True),
    )


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    return PadToMultiple(BiSeNetV2(Layers.of(plan), plan.in_channels, plan.label_count), (32, 32))
