"""`emanet`: attention over a few bases found by expectation maximisation, on a dilated encoder, 2-D.

Expectation-Maximization Attention Networks, Li et al., ICCV 2019. Kept: 64 bases, three EM steps from bases that
are a moving average (momentum 0.9) over training, bases of unit length, features put together again from them
between two 1x1 convolutions with a shortcut. Differs: the last E step is differentiated, so the first 1x1
convolution learns (in the authors' code nothing reaches it, and it stays as it was drawn), and no multi-grid
dilation. With several processes the bases of the first hold, as DistributedDataParallel hands out buffers.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mos.networks.dilated import Features, Segmenter, dilated_encoder, fcn_head
from mos.networks.layers import Layers
from mos.networks.plan import Plan

BASES = 64
STEPS = 3
MOMENTUM = 0.9


class EMAttention(nn.Module):
    """Features rebuilt from a few bases: (bs, ch, h, w) -> same.

    Attributes:
        bases: (ch, bases) of unit length at first: where EM begins; a moving average over training.
    """

    def __init__(self, layers: Layers, channels: int, bases: int = BASES):
        super().__init__()
        self.before = layers.conv(channels, channels, 1, bias=True)
        self.after = layers.conv_norm(channels, channels, 1)
        drawn = torch.randn(channels, bases) * math.sqrt(2 / bases)
        self.register_buffer("bases", F.normalize(drawn, dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> the same."""
        rebuilt, bases = em_attention(self.before(x).flatten(2), self.bases)
        if self.training:
            self.bases.lerp_(bases.mean(0).to(self.bases.dtype), 1 - MOMENTUM)
        return F.relu(x + self.after(F.relu(rebuilt.reshape(x.shape))))


def em_attention(places: Tensor, bases: Tensor, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """EM of a mixture with as many components as bases; each step begins with the last one's bases.

    E: shares z (bs, places, bases) = softmax over bases of the products of place and basis.
    M: a basis = mean of the places weighted by their shares in it, scaled to unit length.
    Gradients go through the last E step alone: bases are what is attended to, not what learns.

    Args:
        places: (bs, ch, places)
        bases: (ch, bases)

    Returns:
        The places rebuilt from the last bases by their shares, (bs, ch, places), and those bases
        (bs, ch, bases).
    """
    found = bases.expand(len(places), -1, -1).clone()
    for step in range(steps):
        with torch.set_grad_enabled(torch.is_grad_enabled() and step == steps - 1):
            shares = (places.mT @ found.to(places.dtype)).softmax(-1)
        with torch.no_grad():
            weight = shares / (shares.sum(1, keepdim=True) + 1e-6)
            found = F.normalize(places @ weight.to(places.dtype), dim=1)
    return found @ shares.mT.to(found.dtype), found


class Head(nn.Module):
    """EM attention between two convolutions: the encoder's features -> logits."""

    def __init__(self, layers: Layers, in_channels: int, label_count: int):
        super().__init__()
        channels = max(8, in_channels // 4)
        self.before = layers.conv_norm_relu(in_channels, channels)
        self.attention = EMAttention(layers, channels)
        self.classify = fcn_head(layers, channels, channels // 2, label_count)

    def forward(self, features: Features) -> Tensor:
        """Four features -> logits (bs, label_count, h', w')."""
        return self.classify(self.attention(self.before(features[-1])))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    encoder = dilated_encoder(plan)
    head = Head(Layers.of(plan), encoder.channels[-1], plan.label_count)
    return Segmenter(encoder, head)
