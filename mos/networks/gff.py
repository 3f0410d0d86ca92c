"""`gff`: all stages exchange what their gates let through, on a dilated encoder with pyramid pooling, 2-D.

Gated Fully Fusion for Semantic Segmentation, Li et al., AAAI 2020. Kept: a gate G for each pixel of each stage; every
stage X becomes (1 + G) X + (1 - G) times the sum of the other stages' G X; pyramid pooling of PSPNet (1, 2, 3, 6) on
the last stage; a dense feature pyramid from it down to the finest stage, whose answers are classified together;
an FCN head on the third stage with weight 0.4. Widths are ours, 256 features a stage: no code of the authors for ResNets
was found. Layers of the pyramid are as in their WideResNet form (norm, ReLU, 1x1, norm, ReLU, 3x3) without its
dilations. Differs from that code: a gate is one value a pixel, not one a feature, and all stages exchange at once, not
in turn.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mos.networks.dilated import Features, Segmenter, dilated_encoder, side_head
from mos.networks.layers import Layers
from mos.networks.plan import Plan
from mos.networks.resize import resize

WIDTH = 256
PARTS = (1, 2, 3, 6)
_DROPOUT = 0.1


class PyramidPooling(nn.Module):
    """Means over 1, 2x2, 3x3 and 6x6 parts beside the features (Zhao et al. 2017)."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        narrow = max(8, channels // len(PARTS))
        self.parts = nn.ModuleList(layers.conv_norm_relu(channels, narrow, 1) for _ in PARTS)
        self.merge = layers.conv_norm_relu(channels + narrow * len(PARTS), narrow)

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> (bs, ch / 4, h, w)."""
        size = x.shape[2:]
        means = [
            part(F.adaptive_avg_pool2d(x, n)) for n, part in zip(PARTS, self.parts, strict=True)
        ]
        wide = [resize(mean, size, align_corners=True) for mean in means]
        return self.merge(torch.cat([x, *wide], 1))


def gated_fusion(stages: Sequence[Tensor], gates: Sequence[Tensor]) -> list[Tensor]:
    """Every stage with what the others let through, where its own gate is low.

    Args:
        stages: (bs, ch, h, w) of any sizes.
        gates: (bs, 1, h, w) in 0..1, one for each stage.

    Returns:
        (1 + G) X + (1 - G) sum of the others' G X for each stage, of its own size.
    """
    let_through = [gate * stage for stage, gate in zip(stages, gates, strict=True)]
    fused = []
    for place, (stage, gate) in enumerate(zip(stages, gates, strict=True)):
        others = (
            resize(other, stage.shape[2:], align_corners=True)
            for index, other in enumerate(let_through)
            if index != place
        )
        fused.append((1 + gate) * stage + (1 - gate) * sum(others))
    return fused


class Head(nn.Module):
    """Gated fusion and the dense pyramid: the encoder's features -> logits at the finest stage's size."""

    def __init__(self, layers: Layers, channels: Sequence[int], label_count: int):
        super().__init__()
        pooled = max(8, channels[-1] // len(PARTS))
        self.pool = PyramidPooling(layers, channels[-1])
        self.narrow_pooled = layers.conv_norm_relu(pooled, WIDTH, 1)
        self.narrow = nn.ModuleList(layers.conv_norm_relu(ch, WIDTH, 1) for ch in channels)
        self.gates = nn.ModuleList(layers.conv(ch, 1, 1, bias=True) for ch in channels)
        self.dense = nn.ModuleList(
            nn.Sequential(
                layers.norm_relu_conv(WIDTH * (2 + step), WIDTH, 1),
                layers.norm_relu_conv(WIDTH, WIDTH),
            )
            for step in range(len(channels))
        )
        self.classify = nn.Sequential(
            layers.norm(WIDTH * (1 + len(channels))),
            nn.ReLU(),
            layers.dropout(_DROPOUT),
            layers.conv(WIDTH * (1 + len(channels)), label_count, 1, bias=True),
        )

    def forward(self, features: Features) -> Tensor:
        """Four features -> logits (bs, label_count, h', w') of the finest."""
        stages = [narrow(x) for narrow, x in zip(self.narrow, features, strict=True)]
        gates = [gate(x).sigmoid() for gate, x in zip(self.gates, features, strict=True)]
        fused = gated_fusion(stages, gates)
        size = fused[0].shape[2:]
        seen = [resize(self.narrow_pooled(self.pool(features[-1])), size, align_corners=True)]
        for stage, layer in zip(reversed(fused), self.dense, strict=True):
            stage = resize(stage, size, align_corners=True)
            seen.append(layer(torch.cat([*seen, stage], 1)))
        return self.classify(torch.cat(seen, 1))


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    layers, encoder = Layers.of(plan), dilated_encoder(plan)
    head = Head(layers, encoder.channels, plan.label_count)
    return Segmenter(encoder, head, side_head(layers, encoder, plan.label_count, narrower=4))
