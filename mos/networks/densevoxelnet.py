"""`densevoxelnet`: two densely connected blocks of twelve 3-D convolutions, and a side output between them.

Yu et al.: Automatic 3D cardiovascular MR segmentation with densely-connected volumetric ConvNets
(DenseVoxNet). MICCAI 2017. Kept: a strided convolution to 16 features, blocks of twelve norm - ReLU - conv
with growth 12 and dropout 0.2, a 1x1x1 transition with max pooling, two transposed convolutions (128, 64) up,
a side output from the transition in training. Differs: an axis is halved once its voxels are no longer twice
as long as the others, where the paper resamples to cubes. Ours to choose: a first kernel of 3x3x3 (1x1x1 with
a stride of 2, as in black0017/MedicalZooPytorch, would see one voxel of eight), and a weight of 0.33 for the
side output.
"""

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers, halvings, total_stride
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan

_STEM, _GROWTH, _COUNT = 16, 12, 12
_UP = (128, 64)
_DROPOUT = 0.2
_SIDE_WEIGHT = 0.33


class DenseBlock(nn.Module):
    """Each convolution sees the block's input and all that was made before it.

    Attributes:
        out_channels: the input's, and the growth of each convolution.
    """

    def __init__(self, layers: Layers, in_channels: int):
        super().__init__()
        self.out_channels = in_channels + _COUNT * _GROWTH
        self.convs = nn.ModuleList(
            layers.norm_relu_conv(in_channels + i * _GROWTH, _GROWTH).append(nn.Dropout(_DROPOUT))
            for i in range(_COUNT)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, out_channels, *size)."""
        for conv in self.convs:
            x = torch.cat([x, conv(x)], dim=1)
        return x


class DenseVoxelNet(nn.Module):
    """Two blocks at a half and a quarter of the size.

    Args:
        strides: of the first convolution and of the pooling.
    """

    def __init__(self, layers: Layers, in_channels: int, label_count: int, strides):
        super().__init__()
        self.stem = layers.conv(in_channels, _STEM, stride=strides[0])
        self.first = DenseBlock(layers, _STEM)
        middle = self.first.out_channels
        self.transition = layers.norm_relu_conv(middle, middle, 1, bias=True)
        self.pool = layers.max_pool(strides[1])
        self.second = DenseBlock(layers, middle)
        deep = self.second.out_channels
        self.up = nn.Sequential(
            layers.norm_relu_conv(deep, deep, 1),
            layers.grow(deep, _UP[0], strides[1]),
            layers.grow(_UP[0], _UP[1], strides[0]),
            layers.conv(_UP[1], label_count, 1, bias=True),
        )
        self.side = nn.Sequential(
            layers.grow(middle, _UP[1], strides[0]),
            layers.conv(_UP[1], label_count, 1, bias=True),
        )

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, d, h, w) -> (bs, label_count, d, h, w); in train mode with a side output."""
        half = self.transition(self.first(self.stem(image)))
        logits = self.up(self.second(self.pool(half)))
        if not self.training:
            return logits
        return Outputs(logits, (Auxiliary(_SIDE_WEIGHT, self.side(half)),))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, d, h, w) -> logits (bs, label_count, d, h, w), any size."""
    strides = halvings(plan, 2)
    network = DenseVoxelNet(Layers.of(plan), plan.in_channels, plan.label_count, strides)
    return PadToMultiple(network, total_stride(strides))
