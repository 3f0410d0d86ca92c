"""`denseaspp`: dilated convolutions that each see all before them, on a dilated DenseNet, 2-D.

DenseASPP for Semantic Segmentation in Street Scenes, Yang et al., CVPR 2018. Kept: DenseNet-121 without its last
two poolings, dilated instead (2, 4); a last transition that halves its features; five layers with dilations 3, 6, 12,
18 and 24 of 128 and 64 features (the authors' for DenseNet-121 to 201; for DenseNet-161 they took 512 and 128); no
auxiliary head. `--encoder` may be another timm encoder. Differs: convolutions before a norm have no bias.
"""

import torch
from torch import Tensor, nn

from mos.networks.dilated import Features, Segmenter, dilated_encoder
from mos.networks.layers import Layers
from mos.networks.plan import Plan

ENCODER = "densenet121"
DILATIONS = (3, 6, 12, 18, 24)
_BOTTLENECK, _GROWTH = 128, 64
_DROPOUT = 0.1


class Head(nn.Module):
    """The last stage, halved, and what five dilations made of it and of each other -> logits."""

    def __init__(self, layers: Layers, in_channels: int, label_count: int):
        super().__init__()
        channels = in_channels // 2
        self.halve = layers.conv_norm(in_channels, channels, 1)
        self.views = nn.ModuleList()
        for place, dilation in enumerate(DILATIONS):
            self.views.append(self._view(layers, channels, dilation, normed=place == 0))
            channels += _GROWTH
        self.classify = nn.Sequential(
            layers.dropout(_DROPOUT), layers.conv(channels, label_count, 1, bias=True)
        )

    @staticmethod
    def _view(layers: Layers, channels: int, dilation: int, *, normed: bool) -> nn.Sequential:
        """A 1x1 and a dilated 3x3 convolution, each behind norm and ReLU."""
        narrow = layers.conv(channels, _BOTTLENECK, 1)
        return nn.Sequential(
            nn.Identity() if normed else layers.norm(channels),
            nn.ReLU(),
            narrow,
            layers.norm_relu_conv(_BOTTLENECK, _GROWTH, dilation=dilation, bias=True),
            layers.dropout(_DROPOUT),
        )

    def forward(self, features: Features) -> Tensor:
        """Four features -> logits (bs, label_count, h', w')."""
        x = self.halve(features[-1])
        for view in self.views:
            x = torch.cat([x, view(x)], 1)
        return self.classify(x)


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    encoder = dilated_encoder(plan, ENCODER)
    head = Head(Layers.of(plan), encoder.channels[-1], plan.label_count)
    return Segmenter(encoder, head)
