"""`attr2unet`: R2U-Net with attention gates on its skips.

R2U-Net: Alom et al. 2018 (mos/networks/r2unet.py says what is kept); gates: Oktay et al.: Attention U-Net,
MIDL 2018, additive, of half the level's width. The pair comes from LeeJunHyun/Image_Segmentation and has no
paper of its own. As there, the gate sees the decoder's features after growing, at the skip's own size, where
Oktay et al. take them before.
"""

import torch
from torch import Tensor, nn

from mos.networks import r2unet
from mos.networks.layers import Layers
from mos.networks.plan import Plan


class AttentionGate(nn.Module):
    """Each voxel of a skip times 0 to 1, from a sum of projections of the skip and of the decoder's features."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        inner = max(channels // 2, 1)
        self.skip = layers.conv_norm(channels, inner, 1)
        self.decoder = layers.conv_norm(channels, inner, 1)
        self.weight = nn.Sequential(layers.conv_norm(inner, 1, 1), nn.Sigmoid())

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """Twice (bs, ch, *size) -> (bs, ch, *size)."""
        return skip * self.weight(torch.relu(self.skip(skip) + self.decoder(x)))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, *size) -> logits (bs, label_count, *size), any size."""
    return r2unet.build(plan, AttentionGate)
