"""`hrnet`: a high-resolution network of timm with a light head, for landmarks (Sun et al. 2019; Wang et al. 2020).

HRNetV2 enlarges its four maps to the finest, joins them and mixes them by a 1 x 1 convolution. Mixing
before enlarging and then adding up gives the same numbers, because both steps are linear and act on other
axes, and is several times cheaper.
"""

from torch import Tensor, nn

from mos.networks.encoders import Encoder
from mos.networks.heatmap_grid import OnGrid
from mos.networks.norms import norm_layer
from mos.networks.plan import Plan
from mos.networks.resize import resize

ENCODER = "hrnet_w18"
WIDTH = 64


def build(plan: Plan, stride: int) -> nn.Module:
    """(bs, in_channels, h, w) -> logits (bs, label_count, ceil(h / stride), ceil(w / stride)), any size."""
    return OnGrid(HighResolution(plan, stride), stride, 32)


class HighResolution(nn.Module):
    """The network for sizes that are multiples of 32."""

    def __init__(self, plan: Plan, stride: int):
        super().__init__()
        # Finer than 4 the stem's map of stride 2 joins in.
        self.encoder = Encoder(plan.encoder or ENCODER, plan, stages=5 if stride <= 2 else 4)
        self.stride = stride
        norm = norm_layer(plan, 2)
        self.mix = nn.ModuleList(
            nn.Conv2d(ch, WIDTH, 1, bias=False) for ch in self.encoder.channels
        )
        self.activate = nn.Sequential(norm(WIDTH), nn.ReLU(inplace=True))
        self.smooth = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), norm(WIDTH), nn.ReLU(inplace=True)
        )
        self.dropout = nn.Dropout2d(plan.dropout)
        self.head = nn.Conv2d(WIDTH, plan.label_count, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, label_count, h / stride, w / stride)."""
        h, w = image.shape[2:]
        features = self.encoder(image)
        size = features[0].shape[2:]
        mixed = sum(
            resize(mix(feature), size) for mix, feature in zip(self.mix, features, strict=True)
        )
        merged = resize(self.activate(mixed), (h // self.stride, w // self.stride))
        return self.head(self.dropout(self.smooth(merged)))
