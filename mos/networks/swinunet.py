"""`swinunet`: Swin-Unet, a U-Net whose every block is attention within shifted windows, 2-D.

Cao et al. 2021, "Swin-Unet: Unet-like Pure Transformer for Medical Image Segmentation" (arXiv
2105.05537; ECCV workshops 2022).

Kept: patches of 4 x 4, 96 features doubling and heads of 32 (Swin-T), two blocks a level down and up
with windows of 7 x 7, patch merging and expanding, skips joined by a linear layer, and a four-fold
expansion at the end.
Differs: it starts from nothing, where the authors start encoder and decoder from ImageNet's
Swin-T; an image of any size is padded inside (the authors' code takes those that split into
whole windows, such as 224 x 224), and padded tokens are masked; windows are never larger than the
grid of tokens; a single image channel is not copied three times; stochastic depth is left out (a
batch of one would often train nothing in a block), `--model_dropout` drops features instead.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.window_attention import WindowBlock, init_linear, join_windows, split_windows

_PATCH = 4
_CHANNELS = (96, 192, 384, 768)
_WINDOW = (7, 7)


def build(plan: Plan) -> nn.Module:
    """The network (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    channels = plan.channels or _CHANNELS
    network = SwinUnet(plan.in_channels, plan.label_count, channels, plan.dropout)
    multiple = _PATCH * 2 ** (len(channels) - 1)
    # Twice that at least, so that the coarsest level has tokens to attend to.
    return PadToMultiple(network, (multiple, multiple), least=(2 * multiple, 2 * multiple))


class Merge(nn.Module):
    """Half the size: the features of 2 x 2 tokens side by side, normed and mixed."""

    def __init__(self, channels: int, out_channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.mix = nn.Linear(4 * channels, out_channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, h, w, ch) -> (bs, h / 2, w / 2, out_channels)."""
        bs, h, w, _ = x.shape
        return self.mix(self.norm(split_windows(x, (2, 2)).view(bs, h // 2, w // 2, -1)))


class Expand(nn.Module):
    """`factor` times the size: each token becomes factor x factor tokens of its own."""

    def __init__(self, channels: int, out_channels: int, factor: int = 2):
        super().__init__()
        self.factor = factor
        self.widen = nn.Linear(channels, factor**2 * out_channels, bias=False)
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, h, w, ch) -> (bs, factor h, factor w, out_channels)."""
        bs, h, w, _ = x.shape
        tokens = self.widen(x).view(bs, h * w, self.factor**2, -1)
        size = (self.factor * h, self.factor * w)
        return self.norm(join_windows(tokens, (self.factor, self.factor), size))


def _blocks(channels: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        WindowBlock(channels, _WINDOW, dropout=dropout),
        WindowBlock(channels, _WINDOW, shifted=True, dropout=dropout),
    )


class SwinUnet(nn.Module):
    """For sizes that are multiples of 4 * 2 ** (levels - 1)."""

    def __init__(self, in_channels: int, label_count: int, channels: Sequence[int], dropout: float):
        super().__init__()
        first, last = channels[0], channels[-1]
        self.patches = nn.Conv2d(in_channels, first, _PATCH, _PATCH)
        self.patch_norm = nn.LayerNorm(first)
        self.down = nn.ModuleList(_blocks(ch, dropout) for ch in channels)
        pairs = list(zip(channels, channels[1:]))
        self.merge = nn.ModuleList(Merge(ch, wider) for ch, wider in pairs)
        self.norm = nn.LayerNorm(last)
        self.expand = nn.ModuleList(Expand(wider, ch) for ch, wider in pairs)
        self.join = nn.ModuleList(nn.Linear(2 * ch, ch) for ch, _ in pairs)
        self.up = nn.ModuleList(_blocks(ch, dropout) for ch, _ in pairs)
        self.norm_up = nn.LayerNorm(first)
        self.to_pixels = Expand(first, first, _PATCH)
        self.head = nn.Conv2d(first, label_count, 1, bias=False)
        self.apply(init_linear)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w)."""
        x = self.patch_norm(self.patches(image).permute(0, 2, 3, 1))
        skips = []
        for level, merge in enumerate(self.merge):
            # As in the authors' code, a skip starts before its level's blocks.
            skips.append(x)
            x = merge(self.down[level](x))
        x = self.norm(self.down[-1](x))
        for level in reversed(range(len(skips))):
            x = self.join[level](torch.cat([self.expand[level](x), skips[level]], -1))
            x = self.up[level](x)
        x = self.to_pixels(self.norm_up(x))
        return self.head(x.permute(0, 3, 1, 2))
