"""`unet3p`: UNet 3+, every decoder level sees every scale, with deep supervision.

Huang et al.: UNet 3+, a full-scale connected UNet for medical image segmentation. ICASSP 2020. Kept: 64
features from each of five scales (encoder levels at or above, decoder levels below), fused to 320, widths 64
to 1024, a 3x3 head on each of the five decoder levels, grown bilinearly and supervised with equal weight.
Left out: the classification-guided module, which needs an image-level target (is there an organ at all), and
the paper's loss, which the task chooses. Differs: no bias before a norm; poolings follow the pixel's shape.
"""

import math

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers, halvings, total_stride, widths
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resize import resize

CHANNELS = (64, 128, 256, 512, 1024)


class FullScale(nn.Module):
    """One decoder level: all scales brought to its size, 3x3 convolutions to one width, and their fusion.

    Args:
        level: its own, 0 the finest.
        encoder: widths of the encoder's levels 0 to `level`.
        decoder: widths of the decoder's levels below, from `level` + 1 on.
        width: features taken from each scale.
        strides: between the levels.
    """

    def __init__(self, layers: Layers, level: int, encoder, decoder, width: int, strides):
        super().__init__()
        self.pools = nn.ModuleList(
            layers.max_pool([math.prod(axis) for axis in zip(*strides[finer:level], strict=True)])
            for finer in range(level)
        )
        self.convs = nn.ModuleList(
            layers.conv_norm_relu(channels, width) for channels in (*encoder, *decoder)
        )
        whole = width * len(self.convs)
        self.fuse = layers.conv_norm_relu(whole, whole)

    def forward(self, encoder: list[Tensor], decoder: list[Tensor]) -> Tensor:
        """The encoder's features down to this level, the decoder's from the level below down."""
        scales = self.scales(encoder, decoder)
        taken = [conv(features) for conv, features in zip(self.convs, scales, strict=True)]
        return self.fuse(torch.cat(taken, dim=1))

    def scales(self, encoder: list[Tensor], decoder: list[Tensor]) -> list[Tensor]:
        """The same features, all of this level's size."""
        own = encoder[-1]
        finer = [pool(features) for pool, features in zip(self.pools, encoder[:-1], strict=True)]
        return [*finer, own, *(resize(features, own.shape[2:]) for features in decoder)]


class UNet3P(nn.Module):
    """Five levels with two convolutions each down, and a full-scale fusion each up.

    Args:
        channels: per level, finest first; that of the finest is taken from each scale.
        strides: between the levels, one fewer.
    """

    def __init__(self, layers: Layers, in_channels: int, label_count: int, channels, strides):
        super().__init__()
        count = len(channels)
        before = (in_channels, *channels)
        self.encoder = nn.ModuleList(
            nn.Sequential(layers.conv_norm_relu(one, two), layers.conv_norm_relu(two, two))
            for one, two in zip(before, channels, strict=False)
        )
        self.pools = nn.ModuleList(layers.max_pool(stride) for stride in strides)
        fused = channels[0] * count
        decoder = [fused] * (count - 1) + [channels[-1]]  # the deepest level is the encoder's
        self.decoder = nn.ModuleList(
            FullScale(layers, i, channels[: i + 1], decoder[i + 1 :], channels[0], strides)
            for i in range(count - 1)
        )
        self.heads = nn.ModuleList(layers.conv(n, label_count, bias=True) for n in decoder)

    def forward(self, x: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w); in train mode with four side outputs."""
        size = x.shape[2:]
        encoder = [self.encoder[0](x)]
        for pool, stage in zip(self.pools, self.encoder[1:], strict=True):
            encoder.append(stage(pool(encoder[-1])))
        decoder = [encoder[-1]]
        for level in reversed(range(len(self.decoder))):
            decoder.insert(0, self.decoder[level](encoder[: level + 1], decoder))
        logits = self.heads[0](decoder[0])
        if not self.training:
            return logits
        side = zip(self.heads[1:], decoder[1:], strict=True)
        return Outputs(logits, tuple(Auxiliary(1.0, resize(head(x), size)) for head, x in side))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    channels = widths(plan, CHANNELS)
    strides = halvings(plan, len(channels) - 1)
    network = UNet3P(Layers.of(plan), plan.in_channels, plan.label_count, channels, strides)
    return PadToMultiple(network, total_stride(strides))
