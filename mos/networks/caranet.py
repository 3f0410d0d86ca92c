"""`caranet`: CaraNet, a context pyramid and axial reverse attention at three levels, on Res2Net, 2-D.

Lou et al. 2022, "CaraNet: Context Axial Reverse Attention Network for Segmentation of Small Medical
Objects" (SPIE Medical Imaging; Journal of Medical Imaging 2023).

Kept: 32 features of the three deepest stages, the partial decoder of PraNet, on each level a
channel-wise feature pyramid of dilations 1, 3, 5 and 9 and attention along columns, then rows, with
sigmoid weights, both of it weighed by reverse attention; PReLU; deep supervision of all four
answers alike.
Differs: any number of labels, reverse attention on the chance of the likeliest structure
(`mos.networks.partial_decoder` says why); each level has its own pyramid (the authors' code calls
one of its three twice and one never); attention is along each column and row by itself, and a sum
over a line is divided by its length, so that images of other sizes are answered alike; a branch
ends in a convolution without norm or activation, as what it adds are logits; the partial decoder
has PraNet's norms, which the authors' code leaves out; images are at least 64 x 64 inside; the
losses are the run's. The authors' last code is on Res2Net-101 v1b (`--encoder res2net101d`).
"""

import torch
from torch import Tensor, nn

from mos.networks.encoders import Encoder
from mos.networks.layers import Layers
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.partial_decoder import PartialDecoder, unfound
from mos.networks.plan import Plan
from mos.networks.resize import resize

_ENCODER = "res2net50_26w_4s"
_CHANNELS = 32
_DILATIONS = (1, 3, 5, 9)


def build(plan: Plan) -> nn.Module:
    """The network (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size.

    In train mode `Outputs` with the three coarser answers as auxiliary segmentations.
    """
    # 64 at least, so that the context pyramid of the coarsest map has more than one pixel to look at.
    return PadToMultiple(CaraNet(plan), (32, 32), least=(64, 64))


def _norm_prelu(layers: Layers, channels: int) -> nn.Sequential:
    return nn.Sequential(layers.norm(channels), nn.PReLU(channels))


def _conv(layers: Layers, in_channels: int, channels: int, kernel: int = 3, **options) -> nn.Module:
    conv = layers.conv(in_channels, channels, kernel, **options)
    return nn.Sequential(conv, *_norm_prelu(layers, channels))


class ChannelPyramid(nn.Module):
    """Lou et al. 2021, "CFPNet": quarters of the channels see with four dilations, each in three steps.

    Args:
        channels: in and out, a multiple of 16.
    """

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        quarter, eighth, few = channels // 4, channels // 8, channels // 16
        self.before = _norm_prelu(layers, channels)
        self.narrow = _conv(layers, channels, quarter)
        self.steps = nn.ModuleList(
            nn.ModuleList(
                _conv(layers, before, after, dilation=dilation, groups=few)
                for before, after in ((quarter, few), (few, few), (few, eighth))
            )
            for dilation in _DILATIONS
        )
        self.after = nn.Sequential(
            *_norm_prelu(layers, channels), layers.conv(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, channels, h, w) -> the same."""
        narrow, sums = self.narrow(self.before(x)), []
        for steps in self.steps:
            now, parts = narrow, []
            for step in steps:
                now = step(now)
                parts.append(now)
            joined = torch.cat(parts, 1)
            # Each adds to the one of the next smaller dilation, which takes the grid out of dilated features.
            sums.append(joined + sums[-1] if sums else joined)
        return x + self.after(torch.cat(sums, 1))


class LineAttention(nn.Module):
    """Each place adds what it takes from its own column or row, with sigmoid weights.

    Args:
        axis: 2: columns; 3: rows.
    """

    def __init__(self, layers: Layers, channels: int, axis: int):
        super().__init__()
        self.axis = axis
        self.query = layers.conv(channels, channels // 8, 1)
        self.key = layers.conv(channels, channels // 8, 1)
        self.value = layers.conv(channels, channels, 1)
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> the same."""
        q, k, v = (self._lines(conv(x)) for conv in (self.query, self.key, self.value))
        weight = (q @ k.mT).sigmoid() / q.shape[2]
        found = self._lines(weight @ v, back=True)
        return x + self.share * found

    def _lines(self, x: Tensor, back: bool = False) -> Tensor:
        """(bs, ch, h, w) -> (bs, lines, places, ch), and back."""
        if back:
            return x.permute(0, 3, 2, 1) if self.axis == 2 else x.permute(0, 3, 1, 2)
        return x.permute(0, 3, 2, 1) if self.axis == 2 else x.permute(0, 2, 3, 1)


class AxialReverseAttention(nn.Module):
    """Corrects a coarser answer from features of a wide context where nothing is found yet."""

    def __init__(self, layers: Layers, channels: int, label_count: int):
        super().__init__()
        self.context = ChannelPyramid(layers, channels)
        self.axial = nn.Sequential(
            layers.conv(channels, channels, 1),
            layers.conv(channels, channels),
            LineAttention(layers, channels, 2),
            LineAttention(layers, channels, 3),
        )
        self.convs = nn.Sequential(
            _conv(layers, channels, channels), _conv(layers, channels, channels)
        )
        self.head = layers.conv(channels, label_count, bias=True)

    def forward(self, features: Tensor, coarser: Tensor) -> Tensor:
        """Features (bs, channels, h, w) and logits of any size -> logits (bs, label_count, h, w)."""
        coarser = resize(coarser, features.shape[2:])
        seen = self.axial(self.context(features)) * unfound(coarser)
        return coarser + self.head(self.convs(seen))


class CaraNet(nn.Module):
    """For sizes that are multiples of 32."""

    def __init__(self, plan: Plan):
        super().__init__()
        layers = Layers.of(plan)
        self.encoder = Encoder(plan.encoder or _ENCODER, plan)
        stages = self.encoder.channels[1:]
        self.narrow = nn.ModuleList(_conv(layers, ch, _CHANNELS) for ch in stages)
        self.decoder = PartialDecoder(layers, _CHANNELS, plan.label_count)
        self.branches = nn.ModuleList(
            AxialReverseAttention(layers, _CHANNELS, plan.label_count) for _ in stages
        )

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w); in train mode all four answers."""
        stages = self.encoder(image)[1:]
        features = [narrow(stage) for narrow, stage in zip(self.narrow, stages, strict=True)]
        features.reverse()
        answers = [self.decoder(*features)]
        for branch, one in zip(self.branches, features, strict=True):
            answers.append(branch(one, answers[-1]))
        size = image.shape[2:]
        logits = resize(answers.pop(), size)
        if not self.training:
            return logits
        return Outputs(logits, tuple(Auxiliary(1.0, resize(one, size)) for one in answers))
