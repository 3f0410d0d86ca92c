"""`ann`: non-local blocks whose keys and values are pooled, on a dilated encoder, 2-D.

Asymmetric Non-local Neural Networks for Semantic Segmentation, Zhu et al., ICCV 2019. Kept: AFNB, where the last
stage attends to the third, and APNB, where the result attends to itself; keys and values are means over 1, 3x3, 6x6
and 8x8 parts, 110 in all, whatever the image's size; what was attended to goes beside what asked, through a
1x1 convolution; an FCN head on the third stage with weight 0.4. Differs: the attention's last
convolution is not drawn as zeros, convolutions before a norm have no bias.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mos.networks.dilated import Features, Segmenter, attend, dilated_encoder, side_head
from mos.networks.layers import Layers
from mos.networks.plan import Plan

PARTS = (1, 3, 6, 8)
_DROPOUT = 0.05


class AsymmetricAttention(nn.Module):
    """Every position asks the pooled parts of another map: two maps -> (bs, out_channels, h, w) of the first.

    Args:
        channels: of the map that asks.
        asked: channels of the map that is asked; None: it is the same map, and keys are its queries.
        narrow: channels of queries, keys and values.
    """

    def __init__(self, layers: Layers, channels: int, narrow: int, asked: int | None = None):
        super().__init__()
        self.query = layers.conv_norm_relu(channels, narrow, 1)
        self.key = None if asked is None else layers.conv_norm_relu(asked, narrow, 1)
        self.value = layers.conv(channels if asked is None else asked, narrow, 1, bias=True)
        self.widen = layers.conv(narrow, channels, 1, bias=True)
        self.merge = layers.conv_norm(2 * channels, channels, 1)

    def forward(self, x: Tensor, asked: Tensor) -> Tensor:
        """(bs, channels, h, w) and (bs, asked channels, h', w') -> (bs, channels, h, w)."""
        query = self.query(x)
        key = query if self.key is None else self.key(asked)
        parts = (query.flatten(2), pool_parts(key), pool_parts(self.value(asked)))
        context = attend(*parts, scale=query.shape[1] ** -0.5).reshape(query.shape)
        return self.merge(torch.cat([self.widen(context), x], 1))


def pool_parts(x: Tensor) -> Tensor:
    """(bs, ch, h, w) -> (bs, ch, 110): means over 1, 3x3, 6x6 and 8x8 parts of the map."""
    return torch.cat([F.adaptive_avg_pool2d(x, n).flatten(2) for n in PARTS], -1)


class Head(nn.Module):
    """AFNB and APNB: the encoder's features -> logits."""

    def __init__(self, layers: Layers, third: int, last: int, label_count: int):
        super().__init__()
        channels, narrow = max(16, last // 4), max(8, last // 8)
        self.fuse = AsymmetricAttention(layers, last, narrow, asked=third)
        self.before = nn.Sequential(layers.dropout(_DROPOUT), layers.conv_norm_relu(last, channels))
        self.context = AsymmetricAttention(layers, channels, narrow)
        self.classify = nn.Sequential(
            nn.ReLU(),
            layers.dropout(_DROPOUT),
            layers.conv(channels, label_count, 1, bias=True),
        )

    def forward(self, features: Features) -> Tensor:
        """Four features -> logits (bs, label_count, h', w')."""
        third, last = features[-2:]
        x = self.before(self.fuse(last, third))
        return self.classify(self.context(x, x))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    layers, encoder = Layers.of(plan), dilated_encoder(plan)
    third, last = encoder.channels[-2:]
    head = Head(layers, third, last, plan.label_count)
    side = side_head(layers, encoder, plan.label_count, dropout=_DROPOUT)
    return Segmenter(encoder, head, side)
