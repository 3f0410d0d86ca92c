"""`r2unet`: a U-Net whose convolutions are recurrent and residual.

Alom et al.: Recurrent residual convolutional neural network based on U-Net (R2U-Net). arXiv:1802.06955, 2018;
J. Med. Imaging 2019. Kept: two recurrent convolutions of two steps (t = 2) in each block with a residual
round them, max pooling, growing by nearest neighbour and a convolution, widths 64 to 1024. As in the code
most papers compare with (LeeJunHyun/Image_Segmentation), one kernel serves the input and the state, where the
paper writes two. Differs: each step has a norm of its own, since one norm's running statistics would mix the
steps; no bias before a norm. `attr2unet` is this network with attention gates on its skips.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers, halvings, total_stride, widths
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan

CHANNELS = (64, 128, 256, 512, 1024)
_STEPS = 2


class RecurrentConv(nn.Module):
    """One convolution applied to the input, then `steps` times to the input plus what it gave."""

    def __init__(self, layers: Layers, channels: int, steps: int = _STEPS):
        super().__init__()
        self.conv = layers.conv(channels, channels)
        self.norms = nn.ModuleList(layers.norm(channels) for _ in range(steps + 1))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, *size) -> the same."""
        state = torch.relu(self.norms[0](self.conv(x)))
        for norm in self.norms[1:]:
            state = torch.relu(norm(self.conv(x + state)))
        return state


class RecurrentResidual(nn.Module):
    """A 1x1 convolution to the width, and two recurrent convolutions with a residual round them."""

    def __init__(self, layers: Layers, in_channels: int, out_channels: int):
        super().__init__()
        self.width = layers.conv(in_channels, out_channels, 1, bias=True)
        self.recurrent = nn.Sequential(*(RecurrentConv(layers, out_channels) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, out_channels, *size)."""
        x = self.width(x)
        return x + self.recurrent(x)


class R2UNet(nn.Module):
    """One block a level down, one a level up.

    Args:
        channels: per level, finest first.
        strides: between the levels, one fewer.
        gate: makes what a skip passes through: module(skip, decoder's features), both (bs, ch, *size) -> the same.
    """

    def __init__(
        self,
        layers: Layers,
        in_channels: int,
        label_count: int,
        channels,
        strides,
        gate: Callable[[Layers, int], nn.Module] | None = None,
    ):
        super().__init__()
        levels = range(len(strides))
        before = (in_channels, *channels)
        self.down = nn.ModuleList(
            RecurrentResidual(layers, one, two) for one, two in zip(before, channels, strict=False)
        )
        self.pools = nn.ModuleList(layers.max_pool(stride) for stride in strides)
        self.grow = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=strides[i]),
                layers.conv_norm_relu(channels[i + 1], channels[i]),
            )
            for i in levels
        )
        self.gates = nn.ModuleList(gate(layers, channels[i]) for i in levels) if gate else None
        self.up = nn.ModuleList(
            RecurrentResidual(layers, 2 * channels[i], channels[i]) for i in levels
        )
        self.head = layers.conv(channels[0], label_count, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, *size) -> (bs, label_count, *size); sizes that the strides divide."""
        skips = [self.down[0](x)]
        for pool, block in zip(self.pools, self.down[1:], strict=True):
            skips.append(block(pool(skips[-1])))
        x = skips.pop()
        for level in reversed(range(len(skips))):
            skip, x = skips[level], self.grow[level](x)
            if self.gates is not None:
                skip = self.gates[level](skip, x)
            x = self.up[level](torch.cat([skip, x], dim=1))
        return self.head(x)


def build(plan: Plan, gate: Callable[[Layers, int], nn.Module] | None = None) -> nn.Module:
    """The network: (bs, in_channels, *size) -> logits (bs, label_count, *size), any size."""
    channels = widths(plan, CHANNELS)
    strides = halvings(plan, len(channels) - 1)
    network = R2UNet(Layers.of(plan), plan.in_channels, plan.label_count, channels, strides, gate)
    return PadToMultiple(network, total_stride(strides))
