"""`ocnet`: object context beside dilated convolutions (ASP-OC) on a dilated encoder, 2-D.

OCNet: Object Context Network for Scene Parsing, Yuan & Wang, 2018; Yuan et al., IJCV 2021. Of its base, pyramid and
ASP forms this is ASP-OC, the one with the highest scores. Kept: self-attention whose keys are its queries,
beside a 1x1 and three dilated 3x3 convolutions (12, 24, 36); an FCN head on the third stage with weight 0.4.
Differs: attention between all features instead of every second one, as it needs no matrix of all pairs here; ReLU
where the authors' in-place norm has a leaky one; the attention's last convolution is not drawn as zeros.
"""

import torch
from torch import Tensor, nn

from mos.networks.dilated import Features, Segmenter, attend, dilated_encoder, side_head
from mos.networks.layers import Layers
from mos.networks.plan import Plan

DILATIONS = (12, 24, 36)
_DROPOUT = 0.1


class ObjectContext(nn.Module):
    """For every position the mean of the values of positions like it: (bs, ch, h, w) -> same."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        self.likeness = layers.conv_norm_relu(channels, max(1, channels // 2), 1)
        self.value = layers.conv(channels, channels, 1, bias=True)
        self.after = nn.Sequential(
            layers.conv(channels, channels, 1, bias=True),
            layers.conv_norm_relu(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> the same."""
        likeness, value = self.likeness(x).flatten(2), self.value(x).flatten(2)
        context = attend(likeness, likeness, value, scale=likeness.shape[1] ** -0.5)
        return self.after(context.reshape(x.shape))


class Head(nn.Module):
    """Five views of the last stage beside each other: the encoder's features -> logits."""

    def __init__(self, layers: Layers, in_channels: int, label_count: int):
        super().__init__()
        channels = max(16, in_channels // 4)
        narrow = channels // 2
        self.before = layers.conv_norm_relu(in_channels, channels)
        self.views = nn.ModuleList(
            [
                nn.Sequential(
                    layers.conv_norm_relu(channels, narrow), ObjectContext(layers, narrow)
                ),
                layers.conv_norm_relu(channels, narrow, 1),
                *(layers.conv_norm_relu(channels, narrow, dilation=n) for n in DILATIONS),
            ]
        )
        self.classify = nn.Sequential(
            layers.conv_norm_relu(len(self.views) * narrow, channels, 1),
            layers.dropout(_DROPOUT),
            layers.conv(channels, label_count, 1, bias=True),
        )

    def forward(self, features: Features) -> Tensor:
        """Four features -> logits (bs, label_count, h', w')."""
        x = self.before(features[-1])
        return self.classify(torch.cat([view(x) for view in self.views], 1))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    layers, encoder = Layers.of(plan), dilated_encoder(plan)
    head = Head(layers, encoder.channels[-1], plan.label_count)
    return Segmenter(encoder, head, side_head(layers, encoder, plan.label_count))
