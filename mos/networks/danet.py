"""`danet`: attention between positions and between channels on a dilated encoder, 2-D.

Dual Attention Network for Scene Segmentation, Fu et al., CVPR 2019. Kept: two branches of a quarter of the
encoder's channels, one attending over positions, one over channels, each scaled by a factor that begins at 0; their
sum and each alone are answers with a loss of weight 1. Differs: keys have no bias, which the softmax cancels;
channel attention weighs by the softmax of the negative products, as the authors' code does and their formula does
not (with the formula each channel attends to itself alone); the last stage has no multi-grid dilation.
"""

import torch
from torch import Tensor, nn

from mos.networks.dilated import Features, Segmenter, attend, dilated_encoder
from mos.networks.layers import Layers
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.plan import Plan

_DROPOUT = 0.1


class PositionAttention(nn.Module):
    """Every position gains the values of all, weighted by how like they are to it: (bs, ch, h, w) -> same."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        narrow = max(1, channels // 8)
        self.query = layers.conv(channels, narrow, 1, bias=True)
        self.key = layers.conv(channels, narrow, 1)
        self.value = layers.conv(channels, channels, 1, bias=True)
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> the same."""
        query, key, value = (part(x).flatten(2) for part in (self.query, self.key, self.value))
        return x + self.scale * attend(query, key, value, scale=1.0).reshape(x.shape)


class ChannelAttention(nn.Module):
    """Every channel gains all others, weighted by how unlike they are to it: (bs, ch, h, w) -> same."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> the same."""
        places = x.flatten(2)
        weight = (-(places @ places.mT)).softmax(-1)
        return x + self.scale * (weight @ places).reshape(x.shape)


class Head(nn.Module):
    """Both attentions, summed: the encoder's features -> logits, and each branch's own in train mode."""

    def __init__(self, layers: Layers, in_channels: int, label_count: int):
        super().__init__()
        channels = max(8, in_channels // 4)
        self.position = self._branch(
            layers, in_channels, channels, PositionAttention(layers, channels)
        )
        self.channel = self._branch(layers, in_channels, channels, ChannelAttention())
        self.of_both = self._classifier(layers, channels, label_count)
        self.of_position = self._classifier(layers, channels, label_count)
        self.of_channel = self._classifier(layers, channels, label_count)

    @staticmethod
    def _branch(
        layers: Layers, in_channels: int, channels: int, attention: nn.Module
    ) -> nn.Sequential:
        before = layers.conv_norm_relu(in_channels, channels)
        return nn.Sequential(before, attention, layers.conv_norm_relu(channels, channels))

    @staticmethod
    def _classifier(layers: Layers, channels: int, label_count: int) -> nn.Sequential:
        return nn.Sequential(
            layers.dropout(_DROPOUT), layers.conv(channels, label_count, 1, bias=True)
        )

    def forward(self, features: Features) -> Tensor | Outputs:
        """Four features -> logits (bs, label_count, h', w')."""
        position, channel = self.position(features[-1]), self.channel(features[-1])
        logits = self.of_both(position + channel)
        if not self.training:
            return logits
        sides = (self.of_position(position), self.of_channel(channel))
        return Outputs(logits, tuple(Auxiliary(1.0, side) for side in sides))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    encoder = dilated_encoder(plan)
    head = Head(Layers.of(plan), encoder.channels[-1], plan.label_count)
    return Segmenter(encoder, head)
