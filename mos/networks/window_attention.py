"""Attention within windows of a 2-D or 3-D grid of tokens: what Swin-Unet and nnFormer are made of.

Liu et al. 2021, "Swin Transformer". Tokens lie channel-last, (bs, *size, ch). A grid of any size
will do: it is padded to whole windows, and what was padded is seen by no real token. A window is no
larger than the grid, and a single window along an axis is not shifted along it.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def split_windows(x: Tensor, window: Sequence[int]) -> Tensor:
    """(bs, *size, ch), sizes multiples of the window's -> (bs, window_count, tokens, ch)."""
    bs, *size, ch = x.shape
    counts, dims = [n // w for n, w in zip(size, window, strict=True)], len(window)
    x = x.reshape(bs, *(v for pair in zip(counts, window, strict=True) for v in pair), ch)
    x = x.permute(0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), 2 * dims + 1)
    return x.reshape(bs, math.prod(counts), math.prod(window), ch)


def join_windows(x: Tensor, window: Sequence[int], size: Sequence[int]) -> Tensor:
    """The inverse of `split_windows`: (bs, window_count, tokens, ch) -> (bs, *size, ch)."""
    bs, ch, dims = x.shape[0], x.shape[3], len(window)
    counts = [n // w for n, w in zip(size, window, strict=True)]
    x = x.reshape(bs, *counts, *window, ch)
    x = x.permute(0, *(v for axis in range(1, dims + 1) for v in (axis, axis + dims)), 2 * dims + 1)
    return x.reshape(bs, *size, ch)


def heads_for(channels: int) -> int:
    """Attention heads of about 32 channels each, as many as divide the channels."""
    return next(heads for heads in range(max(1, channels // 32), 0, -1) if channels % heads == 0)


class WindowAttention(nn.Module):
    """Multi-head attention among the tokens of a window, with a learnt bias by relative position.

    Args:
        channels: of the tokens, a multiple of `heads`.
        window: most tokens along each axis of a window.
        shifted: windows lie half a window further along each axis; those across the border are masked.
        asks: queries are tokens of another grid, taken as they are (nnFormer's skip attention).
        dropout: of the attention and of the result.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        window: Sequence[int],
        *,
        shifted: bool = False,
        asks: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.heads, self.window, self.shifted = heads, tuple(window), shifted
        self.dropout = dropout
        self.project = nn.Linear(channels, (2 if asks else 3) * channels)
        self.out = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.empty(heads, *(2 * w - 1 for w in window)))
        nn.init.trunc_normal_(self.bias, std=0.02)

    def forward(self, x: Tensor, queries: Tensor | None = None) -> Tensor:
        """(bs, *size, ch), and queries of the same shape where they come from elsewhere -> the same."""
        size = x.shape[1:-1]
        window = [min(w, n) for w, n in zip(self.window, size, strict=True)]
        padded = [n + -n % w for n, w in zip(size, window, strict=True)]
        shift = [
            w // 2 if self.shifted and n > w else 0 for w, n in zip(window, padded, strict=True)
        ]
        parts = list(self.project(x).chunk(self.project.out_features // x.shape[-1], -1))
        if queries is not None:
            parts.insert(0, queries)
        q, k, v = (self._windows(part, window, padded, shift) for part in parts)
        mask = self._bias(window).to(v.dtype)
        same = _same_region(size, window, padded, shift, x.device)
        if same is not None:
            mask = mask.masked_fill(~same[:, None], -torch.inf)
        dropout = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(q.to(v.dtype), k, v, mask, dropout)
        found = join_windows(found.transpose(2, 3).flatten(3), window, padded)
        axes = range(1, x.dim() - 1)
        if any(shift):
            found = found.roll(shift, list(axes))
        for axis, n in zip(axes, size, strict=True):
            found = found.narrow(axis, 0, n)
        return F.dropout(self.out(found), self.dropout, self.training)

    def _windows(
        self, x: Tensor, window: Sequence[int], padded: Sequence[int], shift: Sequence[int]
    ) -> Tensor:
        """(bs, *size, ch) -> (bs, window_count, heads, tokens, ch / heads)."""
        missing = [most - n for most, n in zip(padded, x.shape[1:-1], strict=True)]
        if any(missing):
            x = F.pad(x, [0, 0, *(v for most in reversed(missing) for v in (0, most))])
        if any(shift):
            x = x.roll([-step for step in shift], list(range(1, x.dim() - 1)))
        return split_windows(x, window).unflatten(-1, (self.heads, -1)).transpose(2, 3)

    def _bias(self, window: Sequence[int]) -> Tensor:
        """(heads, tokens, tokens): the table at the offset of each token from each other."""
        dims, index = len(window), []
        for axis, (most, n) in enumerate(zip(self.window, window, strict=True)):
            place = torch.arange(n, device=self.bias.device)
            shape = [1] * (2 * dims)
            shape[axis] = shape[axis + dims] = n
            index.append((place[:, None] - place + most - 1).view(shape))
        tokens = math.prod(window)
        return self.bias[(slice(None), *index)].reshape(self.heads, tokens, tokens)


def _same_region(
    size: Sequence[int],
    window: Sequence[int],
    padded: Sequence[int],
    shift: Sequence[int],
    device: torch.device,
) -> Tensor | None:
    """(window_count, tokens, tokens) bool: which tokens of a window may see each other; None: all.

    A shifted window at the border holds tokens of opposite ends, and a padded one tokens that are not there.
    """
    if not any(shift) and list(padded) == list(size):
        return None
    region = torch.zeros((1,) * len(size), dtype=torch.int64, device=device)
    for axis, (n, most, step) in enumerate(zip(size, padded, shift, strict=True)):
        place = torch.arange(most, device=device).roll(-step)
        kind = (place < step).long() + 2 * (place >= n).long()
        shape = [1] * len(size)
        shape[axis] = most
        region = 4 * region + kind.view(shape)
    region = split_windows(region[None, ..., None], window)[0, :, :, 0]
    return region[:, :, None] == region[:, None, :]


class WindowBlock(nn.Module):
    """A Swin block: attention within windows, then two linear layers, each beside a shortcut.

    Args:
        asks: the first block of an nnFormer decoder: what comes up asks what the skip holds.
    """

    def __init__(
        self,
        channels: int,
        window: Sequence[int],
        *,
        shifted: bool = False,
        asks: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attention = WindowAttention(
            channels, heads_for(channels), window, shifted=shifted, asks=asks, dropout=dropout
        )
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * channels, channels),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor, asking: Tensor | None = None) -> Tensor:
        """(bs, *size, ch) -> the same; with `asking` of the same shape, x is the skip it asks."""
        if asking is None:
            x = x + self.attention(self.norm1(x))
        else:
            x = x + asking + self.attention(self.norm1(x), self.norm1(asking))
        return x + self.mlp(self.norm2(x))


def init_linear(module: nn.Module) -> None:
    """Linear layers start as in Swin and ViT: truncated normal of 0.02, no bias. For `Module.apply`."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
