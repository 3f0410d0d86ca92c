"""`gcn`: a global convolutional network: kernels as large as the feature map, on a timm encoder.

Peng et al.: Large kernel matters, improve semantic segmentation by global convolutional network. CVPR 2017.
Kept: on each of four encoder stages a 15x15 kernel made of 15x1 - 1x15 plus 1x15 - 15x1, and boundary
refinement (a residual of two 3x3 convolutions) after it, after each sum and twice after the last. Differs:
features are as many as labels in the paper, and 21 at least here, as for its PASCAL VOC, with a 1x1
convolution to the labels: two or three features of a ReLU are often all shut. They grow bilinearly where the
paper learns a transposed convolution; the encoder is ResNet-50 unless another is asked for (the paper:
ResNet-152, `resnet152`).
"""

from torch import Tensor, nn

from mos.networks.encoders import Encoder
from mos.networks.layers import Layers
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resize import resize

ENCODER = "resnet50"
_KERNEL = 15
_FEATURES = 21


class GlobalConv(nn.Module):
    """A k x k kernel as the sum of two paths: k x 1 then 1 x k, and 1 x k then k x 1."""

    def __init__(self, layers: Layers, in_channels: int, out_channels: int, kernel: int = _KERNEL):
        super().__init__()

        def path(first: tuple[int, int], second: tuple[int, int]) -> nn.Sequential:
            return nn.Sequential(
                layers.conv(in_channels, out_channels, first, bias=True),
                layers.conv(out_channels, out_channels, second, bias=True),
            )

        self.tall = path((kernel, 1), (1, kernel))
        self.wide = path((1, kernel), (kernel, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, out_channels, h, w)."""
        return self.tall(x) + self.wide(x)


class BoundaryRefinement(nn.Module):
    """Adds what two 3x3 convolutions say about the borders of a score map."""

    def __init__(self, layers: Layers, channels: int):
        super().__init__()
        self.change = nn.Sequential(
            layers.conv(channels, channels, bias=True),
            nn.ReLU(),
            layers.conv(channels, channels, bias=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, h, w) -> the same."""
        return x + self.change(x)


class GCN(nn.Module):
    """Score maps of four stages, summed from coarse to fine and refined."""

    def __init__(self, plan: Plan, layers: Layers):
        super().__init__()
        self.encoder = Encoder(plan.encoder or ENCODER, plan)
        width, stages = max(plan.label_count, _FEATURES), self.encoder.channels
        self.scores = nn.ModuleList(
            nn.Sequential(GlobalConv(layers, n, width), BoundaryRefinement(layers, width))
            for n in stages
        )
        self.sums = nn.ModuleList(BoundaryRefinement(layers, width) for _ in stages[1:])
        self.last = nn.ModuleList(BoundaryRefinement(layers, width) for _ in range(2))
        self.head = layers.conv(width, plan.label_count, 1, bias=True)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w); h and w multiples of 32."""
        pairs = zip(self.scores, self.encoder(image), strict=True)
        scores = [score(features) for score, features in pairs]
        x = scores.pop()
        for refine, finer in zip(self.sums, reversed(scores), strict=True):
            x = refine(resize(x, finer.shape[2:]) + finer)
        for refine, part in zip(self.last, (2, 1), strict=True):
            x = refine(resize(x, [n // part for n in image.shape[2:]]))
        return self.head(x)


def build(plan: Plan) -> nn.Module:
    """The network: (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size."""
    return PadToMultiple(GCN(plan, Layers.of(plan)), (32, 32))
