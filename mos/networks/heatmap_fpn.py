"""`fpn`: a timm encoder with a feature pyramid, for landmarks (Lin et al. 2017).

From the coarsest map on, each is doubled in size and added to the next finer one, all brought to one width
by 1 x 1 convolutions; the finest is smoothed and answers.
"""

from torch import Tensor, nn

from mos.networks.encoders import Encoder
from mos.networks.heatmap_grid import OnGrid
from mos.networks.norms import norm_layer
from mos.networks.plan import Plan
from mos.networks.resize import resize

ENCODER = "resnet18"
WIDTH = 64


def build(plan: Plan, stride: int) -> nn.Module:
    """(bs, in_channels, h, w) -> logits (bs, label_count, ceil(h / stride), ceil(w / stride)), any size."""
    return OnGrid(FeaturePyramid(plan, stride), stride, 32)


class FeaturePyramid(nn.Module):
    """The network for sizes that are multiples of 32."""

    def __init__(self, plan: Plan, stride: int):
        super().__init__()
        # Encoders have a map of stride 2 too, of hardly more than edges; it pays where the grid is as fine.
        self.encoder = Encoder(plan.encoder or ENCODER, plan, stages=5 if stride <= 2 else 4)
        self.stride = stride
        norm = norm_layer(plan, 2)
        self.sideways = nn.ModuleList(nn.Conv2d(ch, WIDTH, 1) for ch in self.encoder.channels)
        self.smooth = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), norm(WIDTH), nn.ReLU(inplace=True)
        )
        self.dropout = nn.Dropout2d(plan.dropout)
        self.head = nn.Conv2d(WIDTH, plan.label_count, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, label_count, h / stride, w / stride)."""
        h, w = image.shape[2:]
        features = self.encoder(image)
        merged = self.sideways[-1](features[-1])
        for sideways, feature in zip(
            reversed(self.sideways[:-1]), reversed(features[:-1]), strict=True
        ):
            merged = resize(merged, feature.shape[2:]) + sideways(feature)
        merged = resize(merged, (h // self.stride, w // self.stride))
        return self.head(self.dropout(self.smooth(merged)))
