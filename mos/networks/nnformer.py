"""`nnformer`: nnFormer, convolutions and attention within small volumes by turns, 3-D.

Zhou et al. 2021, "nnFormer: Volumetric Medical Image Segmentation via a 3D Transformer" (arXiv
2109.03201; IEEE TIP 2023).

Kept: the convolutional embedding, two blocks a level with 192 features doubling and heads of 32,
windows of 4, 4, 8 and 4 tokens (the last two hold the paper's whole grid: its global attention),
convolutions down and transposed ones up, skip attention (what comes up asks what the skip holds),
and deep supervision of three levels with weights 1, 1/2 and 1/4.
Differs: strides follow the voxel's shape, by the rule of `mos.networks.unet.plan_levels`, which
gives the paper's patches of (2, 4, 4) for its 64 x 128 x 128 crops of thick slices, the embedding's
two strides in the other order; it starts from nothing, where the authors' trainers start from
weights of their own; the weights of the levels are not divided by their sum; volumes of any size,
padded with their border, padded tokens masked; the lower outputs are enlarged to the image, not the
segment shrunk to them; the relative position of tokens has one entry for each offset (the authors'
code lets some share one); windows are shifted where they are full; stochastic depth is left out,
`--model_dropout` drops features instead.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resize import resize
from mos.networks.unet import plan_levels
from mos.networks.window_attention import WindowBlock

_CHANNELS = (192, 384, 768, 1536)
_WINDOWS = (4, 4, 8, 4)
Stride = tuple[int, ...]


def build(plan: Plan) -> nn.Module:
    """The network (bs, in_channels, d, h, w) -> logits (bs, label_count, d, h, w), any size.

    In train mode `Outputs` with one auxiliary segmentation for each but the finest of the decoder's levels.
    """
    channels = plan.channels or _CHANNELS
    _, strides = plan_levels(plan.crop_size, plan.spacing, len(channels) + 2)
    network = NnFormer(plan.in_channels, plan.label_count, channels, strides[1:], plan.dropout)
    return PadToMultiple(network, [math.prod(column) for column in zip(*strides, strict=True)])


class Norm(nn.LayerNorm):
    """Layer norm over the channels of (bs, ch, d, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, d, h, w) -> the same."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def _embedding(in_channels: int, channels: int, strides: Sequence[Stride]) -> nn.Sequential:
    half = channels // 2
    return nn.Sequential(
        nn.Conv3d(in_channels, half, 3, strides[0], 1),
        nn.GELU(),
        Norm(half),
        nn.Conv3d(half, half, 3, 1, 1),
        nn.GELU(),
        Norm(half),
        nn.Conv3d(half, channels, 3, strides[1], 1),
        nn.GELU(),
        Norm(channels),
        nn.Conv3d(channels, channels, 3, 1, 1),
        Norm(channels),
    )


class Up(nn.Module):
    """A decoder's level: larger by a transposed convolution, then skip attention and a shifted block."""

    def __init__(self, channels: int, deeper: int, stride: Stride, window: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(deeper)
        self.up = nn.ConvTranspose3d(deeper, channels, stride, stride)
        self.skip = WindowBlock(channels, (window,) * 3, asks=True, dropout=dropout)
        self.block = WindowBlock(channels, (window,) * 3, shifted=True, dropout=dropout)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Tokens (bs, *size, deeper) and the skip (bs, *larger, ch) -> (bs, *larger, ch)."""
        x = self.up(self.norm(x).movedim(-1, 1)).movedim(1, -1)
        return self.block(self.skip(skip, x))


class NnFormer(nn.Module):
    """For sizes that are multiples of the product of strides.

    Args:
        channels: features per level of tokens, finest first; the first an even number.
        strides: two of the embedding, then one between levels.
    """

    def __init__(
        self,
        in_channels: int,
        label_count: int,
        channels: Sequence[int],
        strides: Sequence[Stride],
        dropout: float,
    ):
        super().__init__()
        windows = [_WINDOWS[min(level, 3)] for level in range(len(channels))]
        self.embedding = _embedding(in_channels, channels[0], strides[:2])
        self.down = nn.ModuleList(
            nn.Sequential(
                WindowBlock(ch, (window,) * 3, dropout=dropout),
                WindowBlock(ch, (window,) * 3, shifted=True, dropout=dropout),
            )
            for ch, window in zip(channels, windows, strict=True)
        )
        self.merge = nn.ModuleList(
            nn.Sequential(nn.GELU(), Norm(ch), nn.Conv3d(ch, wider, 3, stride, 1))
            for ch, wider, stride in zip(channels, channels[1:], strides[2:])
        )
        self.norms = nn.ModuleList(nn.LayerNorm(ch) for ch in channels)
        levels = list(zip(channels, channels[1:], strides[2:], windows))
        self.up = nn.ModuleList(
            Up(ch, deeper, stride, window, dropout) for ch, deeper, stride, window in levels
        )
        patch = tuple(math.prod(pair) for pair in zip(*strides[:2], strict=True))
        self.heads = nn.ModuleList(
            nn.ConvTranspose3d(ch, label_count, patch, patch) for ch, *_ in levels
        )

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, d, h, w) -> (bs, label_count, d, h, w); in train mode all levels' answers."""
        x = self.embedding(image)
        skips = []
        for level, blocks in enumerate(self.down):
            tokens = blocks(x.movedim(1, -1))
            skips.append(self.norms[level](tokens))
            if level < len(self.merge):
                x = self.merge[level](tokens.movedim(-1, 1))
        x, found = skips.pop(), {}
        for level in reversed(range(len(self.up))):
            x = self.up[level](x, skips[level])
            if level == 0 or self.training:
                found[level] = self.heads[level](x.movedim(-1, 1))
        logits = found.pop(0)
        if not self.training:
            return logits
        size = image.shape[2:]
        return Outputs(
            logits,
            tuple(Auxiliary(0.5**level, resize(one, size)) for level, one in found.items()),
        )
