"""`medt`: Medical Transformer, gated axial attention on the whole image and on its parts, 2-D.

Valanarasu et al. 2021, "Medical Transformer: Gated Axial-Attention for Medical Image Segmentation"
(MICCAI).

Kept: attention along the columns, then along the rows, of 8 groups, with learnt relative positions
for queries, keys and values whose influence four gates weigh; a shallow global branch on the image
and a deep local one, without positions, on its 4 x 4 parts, added before the last convolution; 16,
32, 64 and 128 features.
Differs: the gates learn from the first step (the authors' code frees them after ten epochs) and
start at its values; positions are stretched to images of another size than the training crop's;
sizes are padded inside to a multiple of 64; a part is a quarter of the image along each axis, as in
the paper (the authors' code cuts parts of 32 pixels from the first 128 alone); the parts go through
the local branch as one batch, so batch statistics are over all of them; the scores' norm has no
shift, which a softmax does not see; convolutions that the authors' code holds and never calls are
left out.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mos.networks.norms import norm_layer
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resize import resize
from mos.networks.window_attention import join_windows, split_windows

_CHANNELS = (16, 32, 64, 128)
_DEPTHS = (1, 2, 4, 1)
_GROUPS = 8
_PARTS = 4  # along each axis
_MULTIPLE = 16 * _PARTS
_STEM = 128
NormLayer = Callable[[int], nn.Module]


def build(plan: Plan) -> nn.Module:
    """The network (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    crop = [n + -n % _MULTIPLE for n in plan.crop_size]
    network = MedT(plan.in_channels, plan.label_count, _CHANNELS, crop, norm_layer(plan, 2))
    return PadToMultiple(network, (_MULTIPLE, _MULTIPLE))


class AxialAttention(nn.Module):
    """Attention of every place to those of its own column or row, in groups.

    Args:
        channels: in and out, a multiple of 2 * groups.
        axis: 2: along columns; 3: along rows.
        length: places along the axis that the relative positions are learnt for; None: without positions, and
            without gates.
    """

    def __init__(
        self, channels: int, groups: int, axis: int, norm: NormLayer, length: int | None = None
    ):
        super().__init__()
        self.groups, self.axis = groups, axis
        own = channels // groups
        self.split = (own // 2, own // 2, own)
        self.qkv = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        nn.init.normal_(self.qkv.weight, std=channels**-0.5)
        self.norm_qkv = norm(2 * channels)
        self.positions = None
        kinds = 1
        if length is not None:
            kinds = 3
            self.positions = nn.Parameter(torch.randn(2 * own, 2 * length - 1) / math.sqrt(own))
            self.query_gate = nn.Parameter(torch.tensor(0.1))
            self.key_gate = nn.Parameter(torch.tensor(0.1))
            self.value_gate = nn.Parameter(torch.tensor(1.0))
            self.position_gate = nn.Parameter(torch.tensor(0.1))
        self.norm_scores = _without_shift(norm(kinds * groups))
        self.norm_out = norm((1 if length is None else 2) * channels)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> the same."""
        if self.axis == 2:
            x = x.transpose(2, 3)
        bs, ch, lines, n = x.shape
        qkv = self.norm_qkv(self.qkv(x)).view(bs, self.groups, -1, lines, n)
        q, k, v = qkv.split(self.split, 2)
        scores = [torch.einsum("bgcli,bgclj->bglij", q, k)]
        if self.positions is not None:
            at_q, at_k, at_v = self._positions(n).split(self.split)
            scores.append(self.query_gate * torch.einsum("bgcli,cij->bglij", q, at_q))
            scores.append(self.key_gate * torch.einsum("bgclj,cij->bglij", k, at_k))
        stacked = torch.cat(scores, 1).flatten(2, 3)  # (bs, kinds * groups, lines * n, n)
        stacked = self.norm_scores(stacked).view(bs, len(scores), self.groups, lines, n, n)
        weight = stacked.sum(1).softmax(-1)
        found = torch.einsum("bglij,bgclj->bgcli", weight, v).reshape(bs, ch, lines, n)
        if self.positions is not None:
            placed = torch.einsum("bglij,cij->bgcli", weight, at_v).reshape(bs, ch, lines, n)
            found = torch.cat([self.value_gate * found, self.position_gate * placed], 1)
        found = self.norm_out(found).view(bs, -1, ch, lines, n).sum(1)
        return found.transpose(2, 3) if self.axis == 2 else found

    def _positions(self, n: int) -> Tensor:
        """(2 * channels of a group, n, n): what is learnt for the offset from place i to place j."""
        table = self.positions
        if table.shape[1] != 2 * n - 1:
            table = F.interpolate(table[None], 2 * n - 1, mode="linear", align_corners=True)[0]
        place = torch.arange(n, device=table.device)
        return table[:, place - place[:, None] + n - 1]


def _without_shift(norm: nn.Module) -> nn.Module:
    """The norm without its shift: equal for all keys, it would leave a softmax as it is."""
    norm.register_parameter("bias", None)
    return norm


class AxialBlock(nn.Module):
    """A bottleneck block with attention along columns and rows in place of the 3 x 3 convolution.

    Args:
        lengths: (h, w) that positions are learnt for; None: no positions.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        lengths: Sequence[int] | None,
        norm: NormLayer,
    ):
        super().__init__()
        along = lengths or (None, None)
        self.narrow = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, bias=False), norm(channels), nn.ReLU()
        )
        self.columns = AxialAttention(channels, _GROUPS, 2, norm, along[0])
        self.rows = AxialAttention(channels, _GROUPS, 3, norm, along[1])
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.widen = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1, bias=False), norm(2 * channels)
        )
        self.shortcut = nn.Identity()
        if stride > 1 or in_channels != 2 * channels:
            conv = nn.Conv2d(in_channels, 2 * channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, norm(2 * channels))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, 2 * channels, h / stride, w / stride)."""
        found = F.relu(self.pool(self.rows(self.columns(self.narrow(x)))))
        return F.relu(self.widen(found) + self.shortcut(x))


def _stem(in_channels: int, channels: int, norm: NormLayer) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after, kernel, stride in (
        (in_channels, channels, 7, 2),
        (channels, _STEM, 3, 1),
        (_STEM, channels, 3, 1),
    ):
        conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
        layers += [conv, norm(after), nn.ReLU()]
    return nn.Sequential(*layers)


class Branch(nn.Module):
    """Stem, levels of axial blocks, and convolutions up again: features of the image's size.

    Args:
        stem: features behind the stem.
        channels: one number per level, finest first.
        size: (h, w) that positions are learnt for; None: no positions.
        turn: one more strided convolution at the end, enlarged and added, as the local branch has.
    """

    def __init__(
        self,
        in_channels: int,
        stem: int,
        channels: Sequence[int],
        size: Sequence[int] | None,
        norm: NormLayer,
        *,
        turn: bool,
    ):
        super().__init__()
        self.stem = _stem(in_channels, stem, norm)
        now, before = [n // 2 for n in size] if size else None, stem
        self.levels = nn.ModuleList()
        for level, (ch, depth) in enumerate(zip(channels, _DEPTHS)):
            blocks = nn.Sequential()
            for index in range(depth):
                stride = 2 if level and not index else 1
                blocks.append(AxialBlock(before, ch, stride, now, norm))
                before = 2 * ch
                now = [n // stride for n in now] if now else None
            self.levels.append(blocks)
        last = 2 * channels[-1]
        self.turn = nn.Conv2d(last, last, 3, 2, 1) if turn else None
        below = [channels[0], *(2 * ch for ch in channels)]
        self.up = nn.ModuleList(nn.Conv2d(wide, ch, 3, 1, 1) for ch, wide in zip(below, below[1:]))

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, channels[0], h, w)."""
        x, skips = self.stem(image), []
        for level in self.levels:
            x = level(x)
            skips.append(x)
        if self.turn is not None:
            x = x + F.relu(resize(self.turn(x), x.shape[2:]))
        for index in range(len(self.up) - 1, 0, -1):
            skip = skips[index - 1]
            x = F.relu(resize(self.up[index](x), skip.shape[2:])) + skip
        return F.relu(resize(self.up[0](x), image.shape[2:]))


class MedT(nn.Module):
    """For sizes that are multiples of 64.

    Args:
        crop: (h, w) that positions are learnt for.
    """

    def __init__(
        self,
        in_channels: int,
        label_count: int,
        channels: Sequence[int],
        crop: Sequence[int],
        norm: NormLayer,
    ):
        super().__init__()
        first = channels[0]
        self.whole = Branch(in_channels, first // 2, channels[:2], crop, norm, turn=False)
        # The authors' local stem is as wide as their global branch ends.
        self.part = Branch(in_channels, 2 * channels[1], channels, None, norm, turn=True)
        self.mix = nn.Conv2d(first, first, 3, 1, 1)
        self.head = nn.Conv2d(first, label_count, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w)."""
        size = image.shape[2:]
        part = [n // _PARTS for n in size]
        parts = split_windows(image.permute(0, 2, 3, 1), part)
        parts = parts.flatten(0, 1).unflatten(1, part).permute(0, 3, 1, 2)
        local = self.part(parts).flatten(2).transpose(1, 2)
        local = join_windows(local.unflatten(0, (len(image), -1)), part, size).permute(0, 3, 1, 2)
        return self.head(F.relu(self.mix(self.whole(image) + local)))
