"""`ccnet`: attention along the row and the column of each pixel, twice, on a dilated encoder, 2-D.

Criss-Cross Attention for Semantic Segmentation, Huang et al., ICCV 2019. Kept: criss-cross attention with shared
weights applied twice, after which every pixel has seen every other; the pixel itself counts once; the result beside
the encoder's features before the last convolution; an FCN head on the third stage with weight 0.4. Exact, and
memory grows with hw(h + w), not (hw)^2. Differs: keys have no bias, which the softmax cancels; ReLU where the
authors' in-place norm has a leaky one; the category-consistent loss of the journal version is left out.
"""

import torch
from torch import Tensor, nn

from mos.networks.dilated import Features, Segmenter, dilated_encoder, fcn_head, side_head
from mos.networks.layers import Layers
from mos.networks.plan import Plan

RECURRENCE = 2


class CrissCrossAttention(nn.Module):
    """Every pixel gains the values of its row and column: (bs, ch, h, w) -> same."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        narrow = max(1, channels // 8)
        self.query = layers.conv(channels, narrow, 1, bias=True)
        self.key = layers.conv(channels, narrow, 1)
        self.value = layers.conv(channels, channels, 1, bias=True)
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> the same."""
        return x + self.scale * criss_cross(self.query(x), self.key(x), self.value(x))


def criss_cross(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention of every pixel over the h + w - 1 pixels of its row and column.

    Args:
        query: (bs, ch, h, w), and so the key.
        value: (bs, value channels, h, w)

    Returns:
        (bs, value channels, h, w)
    """
    h = query.shape[2]
    along_row = torch.einsum("bchw,bchv->bhwv", query, key)
    along_column = torch.einsum("bchw,bcgw->bhwg", query, key)
    # The pixel itself lies on both; it counts in its row.
    itself = torch.eye(h, dtype=torch.bool, device=query.device)[:, None]
    along_column = along_column.masked_fill(itself, -torch.inf)
    weight = torch.cat([along_column, along_row], -1).softmax(-1)
    column, row = weight[..., :h], weight[..., h:]
    return torch.einsum("bhwg,bcgw->bchw", column, value) + torch.einsum(
        "bhwv,bchv->bchw", row, value
    )


class Head(nn.Module):
    """Recurrent criss-cross attention: the encoder's features -> logits."""

    def __init__(self, layers: Layers, in_channels: int, label_count: int):
        super().__init__()
        channels = max(8, in_channels // 4)
        self.before = layers.conv_norm_relu(in_channels, channels)
        self.attention = CrissCrossAttention(layers, channels)
        self.after = layers.conv_norm_relu(channels, channels)
        self.classify = fcn_head(layers, in_channels + channels, channels, label_count)

    def forward(self, features: Features) -> Tensor:
        """Four features -> logits (bs, label_count, h', w')."""
        context = self.before(features[-1])
        for _ in range(RECURRENCE):
            context = self.attention(context)
        return self.classify(torch.cat([features[-1], self.after(context)], 1))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    layers, encoder = Layers.of(plan), dilated_encoder(plan)
    head = Head(layers, encoder.channels[-1], plan.label_count)
    return Segmenter(encoder, head, side_head(layers, encoder, plan.label_count))
