"""What PraNet, CaraNet and Inf-Net share: the partial decoder, and attention to what is not found yet.

Wu et al. 2019, "Cascaded Partial Decoder" (CVPR), for the decoder and its receptive-field blocks;
Fan et al. 2020, "PraNet" (MICCAI), for reverse attention.

The papers segment one structure: reverse attention weighs features by 1 - p, p the chance of
foreground in the coarser answer, so that a branch looks for what is still missing. Here p is the
chance of the likeliest structure at each pixel. For one structure that is the papers' rule; for
several, what is surely found is erased whatever its label, and the border between two structures,
where neither is sure, keeps attention. A branch corrects all labels at once.
"""

import torch
from torch import Tensor, nn

from mos.networks.layers import Layers
from mos.networks.resize import resize


def unfound(logits: Tensor) -> Tensor:
    """(bs, label_count, h, w) -> (bs, 1, h, w): 1 - the chance of the likeliest structure."""
    return 1 - logits.softmax(1)[:, 1:].amax(1, keepdim=True)


class ReceptiveField(nn.Module):
    """Four branches of growing, dilated kernels, joined beside a shortcut; without activations within, as in CPD."""

    def __init__(self, layers: Layers, in_channels: int, channels: int):
        super().__init__()
        self.branches = nn.ModuleList([layers.conv_norm(in_channels, channels, 1)])
        for reach in (3, 5, 7):
            self.branches.append(
                nn.Sequential(
                    layers.conv_norm(in_channels, channels, 1),
                    layers.conv_norm(channels, channels, (1, reach)),
                    layers.conv_norm(channels, channels, (reach, 1)),
                    layers.conv_norm(channels, channels, 3, dilation=reach),
                )
            )
        self.join = layers.conv_norm(4 * channels, channels, 3)
        self.shortcut = layers.conv_norm(in_channels, channels, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, channels, h, w)."""
        joined = self.join(torch.cat([branch(x) for branch in self.branches], 1))
        return self.relu(joined + self.shortcut(x))


class PartialDecoder(nn.Module):
    """A first, coarse answer from the three deepest feature maps alone.

    Args:
        channels: of each of the three.
    """

    def __init__(self, layers: Layers, channels: int, label_count: int):
        super().__init__()
        two, three = 2 * channels, 3 * channels
        self.deep_to_middle = layers.conv_norm(channels, channels)
        self.deep_to_fine = layers.conv_norm(channels, channels)
        self.middle_to_fine = layers.conv_norm(channels, channels)
        self.deep_beside = layers.conv_norm(channels, channels)
        self.middle = layers.conv_norm(two, two)
        self.middle_beside = layers.conv_norm(two, two)
        self.fine = layers.conv_norm(three, three)
        self.last = layers.conv_norm(three, three)
        self.head = layers.conv(three, label_count, 1, bias=True)

    def forward(self, deep: Tensor, middle: Tensor, fine: Tensor) -> Tensor:
        """Three maps (bs, channels, ...), coarsest first -> logits (bs, label_count, size of `fine`)."""

        def at(x: Tensor, size: Tensor) -> Tensor:
            return resize(x, size.shape[2:], align_corners=True)

        deep_in_middle = at(deep, middle)
        fine_product = (
            self.deep_to_fine(at(deep_in_middle, fine))
            * self.middle_to_fine(at(middle, fine))
            * fine
        )
        middle_product = self.deep_to_middle(deep_in_middle) * middle
        joined = self.middle(torch.cat([middle_product, self.deep_beside(deep_in_middle)], 1))
        joined = torch.cat([fine_product, self.middle_beside(at(joined, fine))], 1)
        return self.head(self.last(self.fine(joined)))


class ReverseAttention(nn.Module):
    """Corrects a coarser answer from features where nothing is found yet.

    Args:
        in_channels: of the features.
        channels: within.
        kernel, depth: of the convolutions within.
        out_kernel: of the last convolution.
        beside: channels of further features, such as of an edge branch.
    """

    def __init__(
        self,
        layers: Layers,
        in_channels: int,
        channels: int,
        label_count: int,
        *,
        kernel: int = 3,
        depth: int = 2,
        out_kernel: int = 3,
        beside: int = 0,
    ):
        super().__init__()
        self.narrow = layers.conv_norm(in_channels, channels, 1)
        self.convs = nn.Sequential(
            *(
                layers.conv_norm_relu(channels + (0 if index else beside), channels, kernel)
                for index in range(depth)
            )
        )
        self.head = layers.conv(channels, label_count, out_kernel, bias=True)

    def forward(self, features: Tensor, coarser: Tensor, beside: Tensor | None = None) -> Tensor:
        """Features (bs, in_channels, h, w) and logits of any size -> logits (bs, label_count, h, w)."""
        size = features.shape[2:]
        coarser = resize(coarser, size)
        x = self.narrow(features * unfound(coarser))
        if beside is not None:
            x = torch.cat([x, resize(beside, size)], 1)
        return coarser + self.head(self.convs(x))


def reverse_branches(
    layers: Layers, channels: list[int], label_count: int, beside: int = 0
) -> nn.ModuleList:
    """The three branches of PraNet and Inf-Net, coarsest first, for the channels of stages 2 to 4."""
    fine, middle, deep = channels
    return nn.ModuleList(
        [
            ReverseAttention(
                layers, deep, 256, label_count, kernel=5, depth=3, out_kernel=1, beside=beside
            ),
            ReverseAttention(layers, middle, 64, label_count, beside=beside),
            ReverseAttention(layers, fine, 64, label_count, beside=beside),
        ]
    )
