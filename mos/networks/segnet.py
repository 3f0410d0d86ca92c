"""`segnet`: a VGG16 encoder whose pooling indices guide a decoder that mirrors it, 2-D and 3-D.

Badrinarayanan, Kendall, Cipolla: SegNet. IEEE TPAMI 2017. Kept: the thirteen 3x3 convolutions of VGG16 with
norm and ReLU, five poolings, no skips but the pooling indices, the mirrored decoder. Differs: weights start
at random and not from ImageNet; convolutions before a norm have no bias; an axis is pooled once its pixels or
voxels are no longer twice as long as the others. In 3-D kernels and poolings have one more axis.
"""

from torch import Tensor, nn

from mos.networks.layers import Layers, halvings, total_stride, widths
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.unpooling import pool, unpool

CHANNELS = (64, 128, 256, 512, 512)


class SegNet(nn.Module):
    """Two convolutions on the first two levels, three on each below.

    Args:
        strides: of the pooling behind each level.
    """

    def __init__(self, layers: Layers, in_channels: int, label_count: int, channels, strides):
        super().__init__()
        self.strides = strides
        counts = [2 if level < 2 else 3 for level in range(len(channels))]
        before = (in_channels, *channels)
        self.encoder = nn.ModuleList(
            _stage(layers, [before[level]] + [width] * count)
            for level, (width, count) in enumerate(zip(channels, counts, strict=True))
        )
        above = (channels[0], *channels)
        self.decoder = nn.ModuleList(
            _stage(layers, [width] * count + ([above[level]] if level else []))
            for level, (width, count) in enumerate(zip(channels, counts, strict=True))
        )
        self.head = layers.conv(channels[0], label_count, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, label_count, *size); sizes that the strides divide."""
        places = []
        for stage, stride in zip(self.encoder, self.strides, strict=True):
            x, indices = pool(stage(x), stride)
            places.append(indices)
        for level in reversed(range(len(self.decoder))):
            x = self.decoder[level](unpool(x, places[level], self.strides[level]))
        return self.head(x)


def _stage(layers: Layers, channels: list[int]) -> nn.Sequential:
    pairs = zip(channels, channels[1:], strict=False)
    return nn.Sequential(*(layers.conv_norm_relu(one, two) for one, two in pairs))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, *size) -> logits (bs, label_count, *size), any size."""
    channels = widths(plan, CHANNELS)
    strides = halvings(plan, len(channels))
    network = SegNet(Layers.of(plan), plan.in_channels, plan.label_count, channels, strides)
    return PadToMultiple(network, total_stride(strides))
