"""`psanet`: every position learns what it collects from and gives to each other one, on a dilated encoder, 2-D.

PSANet: Point-wise Spatial Attention Network for Scene Parsing, Zhao et al., ECCV 2018. Kept: a collecting and a
distributing branch at half the features' resolution, each with a map of weights for every offset around a position
(over-completed: 2H-1 by 2W-1), softmax over what reaches a position, both results projected and set beside the
features; an FCN head on the third stage with weight 0.4. Differs: the offsets are those of the training crop, and a
larger image is answered too: what lies beyond them gives nothing; plain indexing instead of the compiled kernel.
"""

import math

import torch
from torch import Tensor, nn

from mos.networks.dilated import Features, Segmenter, dilated_encoder, fcn_head, side_head
from mos.networks.layers import Layers
from mos.networks.plan import Plan
from mos.networks.resize import resize

SHRINK = 2


class PointwiseAttention(nn.Module):
    """Collecting or distributing attention: (bs, ch, h, w) -> (bs, narrow, h', w') at half the resolution.

    Args:
        reach: (h, w) of the shrunk training crop; offsets up to reach - 1 have a weight.
        distribute: positions say what they give, not what they take.
    """

    def __init__(
        self,
        layers: Layers,
        channels: int,
        narrow: int,
        reach: tuple[int, int],
        *,
        distribute: bool,
    ):
        super().__init__()
        self.reach = reach
        self.distribute = distribute
        self.reduce = layers.conv_norm_relu(channels, narrow, 1)
        self.weights = nn.Sequential(
            layers.conv_norm_relu(narrow, narrow, 1),
            layers.conv(narrow, (2 * reach[0] - 1) * (2 * reach[1] - 1), 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> (bs, narrow, (h + 1) // 2, (w + 1) // 2)."""
        values = self.reduce(x)
        values = resize(values, [-(-n // SHRINK) for n in x.shape[2:]], align_corners=True)
        energy = between_places(self.weights(values), self.reach)
        # Rows of `energy` are other places, columns the place that predicts; a column of `share` is
        # the place that gains, over all it gains from.
        share = (energy.mT if self.distribute else energy).softmax(1)
        return (values.flatten(2) @ share.to(values.dtype)).reshape(values.shape)


def between_places(maps: Tensor, reach: tuple[int, int]) -> Tensor:
    """What each place says of each other one, out of its map of offsets.

    Args:
        maps: (bs, (2 * reach - 1) of h times that of w, h, w): at [:, k, y, x] the k-th offset's value for
            the place (y, x); offsets run from (1 - reach) to (reach - 1), rows first, other minus own.
        reach: (h, w)

    Returns:
        (bs, h * w others, h * w places), -inf where the other one is out of reach.
    """
    bs, _, h, w = maps.shape
    apart = [_apart(n, maps.device) for n in (h, w)]
    rows = apart[0][:, None, :, None] + (reach[0] - 1)
    columns = apart[1][None, :, None, :] + (reach[1] - 1)
    height, width = (2 * n - 1 for n in reach)
    seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    offset = (rows * width + columns).where(seen, 0).reshape(h * w, h * w)
    said = maps.flatten(2).gather(1, offset.expand(bs, -1, -1))
    return said.masked_fill(~seen.reshape(h * w, h * w), -torch.inf)


def _apart(n: int, device: torch.device) -> Tensor:
    """(n others, n places): how far the other is ahead of the place."""
    places = torch.arange(n, device=device)
    return places[:, None] - places[None]


class Head(nn.Module):
    """Both attentions beside the features: the encoder's features -> logits."""

    def __init__(self, layers: Layers, channels: int, label_count: int, reach: tuple[int, int]):
        super().__init__()
        narrow = max(8, channels // 4)
        self.collect, self.distribute = (
            PointwiseAttention(layers, channels, narrow, reach, distribute=gives)
            for gives in (False, True)
        )
        self.project = layers.conv_norm_relu(2 * narrow, channels, 1)
        self.classify = fcn_head(layers, 2 * channels, narrow, label_count)

    def forward(self, features: Features) -> Tensor:
        """Four features -> logits (bs, label_count, h', w')."""
        x = features[-1]
        context = self.project(torch.cat([self.collect(x), self.distribute(x)], 1))
        context = resize(context, x.shape[2:], align_corners=True)
        return self.classify(torch.cat([x, context], 1))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    layers, encoder = Layers.of(plan), dilated_encoder(plan)
    stride = encoder.strides[-1]
    # Features of a crop lie on the pixels 0, stride, 2 * stride, ... up to its end or just beyond.
    reach = tuple(math.ceil((math.ceil((n - 1) / stride) + 1) / SHRINK) for n in plan.crop_size)
    head = Head(layers, encoder.channels[-1], plan.label_count, reach)
    return Segmenter(encoder, head, side_head(layers, encoder, plan.label_count, narrower=4))
