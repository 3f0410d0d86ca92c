"""An encoder kept at output stride 8 or 16 by dilation, and what the attention heads on it share.

The strides of its last stages become dilations (Yu & Koltun 2016; Chen et al. 2017), so weights of the undilated
encoder fit. The end of the image is padded to 8n+1 pixels, as the papers' crops of 769 or 465 are: features then
lie on the pixels 0, 8, 16, ..., and bilinear enlargement with aligned corners puts each back where it was seen.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mos.networks.encoders import Encoder
from mos.networks.layers import Layers
from mos.networks.outputs import Auxiliary, Outputs, map_logits
from mos.networks.plan import Plan
from mos.networks.resize import resize

ENCODER = "resnet50"
AUXILIARY_WEIGHT = 0.4  # of an FCN head's loss: Zhao et al. 2017 (PSPNet) and all who follow
Features = Sequence[Tensor]  # of the four stages, finest first


def dilated_encoder(plan: Plan, default: str = ENCODER, stride: int = 8) -> Encoder:
    """An encoder of four stages whose last has the stride 8 or 16: the plan's, or the default.

    Raises:
        BadInput: an encoder nobody knows, or one that cannot be dilated.
    """
    name = plan.encoder or default
    if not name.startswith("densenet"):
        return Encoder(name, plan, output_stride=stride)
    encoder = Encoder(name, plan)  # timm has no dilated DenseNet
    _dilate_densenet(encoder.body, stride)
    encoder.strides = [min(own, stride) for own in encoder.strides]
    return encoder


def _dilate_densenet(body: nn.Module, stride: int) -> None:
    """Takes the pooling out of a DenseNet's last transitions and dilates the blocks behind them."""
    dilation = 1
    for transition, block in ((1, 2), (2, 3), (3, 4)):
        change = body[f"features_transition{transition}"]
        if 2**transition * 2 < stride:
            change.pool.ceil_mode = True  # an odd row at the end keeps a feature
            continue
        dilation *= 2
        change.pool = nn.Identity()
        for layer in body[f"features_denseblock{block}"].modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (dilation, dilation)


class Segmenter(nn.Module):
    """Encoder and head, and in train mode an auxiliary head; answers of the image's size, for any size.

    Args:
        encoder: the image's features.
        head: four feature maps, finest first -> logits (bs, label_count, h', w'), or `Outputs` of them.
        auxiliary: the third map -> logits, as `side_head` makes; None: the paper has none.
    """

    def __init__(self, encoder: Encoder, head: nn.Module, auxiliary: nn.Module | None = None):
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.auxiliary = auxiliary

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, h, w) -> logits (bs, label_count, h, w); in train mode maybe `Outputs`."""
        h, w = image.shape[2:]
        step = self.encoder.strides[-1]
        down, right = -(h - 1) % step, -(w - 1) % step
        features = self.encoder(F.pad(image, (0, right, 0, down), mode="replicate"))
        answer = self.head(features)
        if self.training and self.auxiliary is not None:
            side = Auxiliary(AUXILIARY_WEIGHT, self.auxiliary(features[-2]))
            answer = Outputs(answer, (side,))
        size = (h + down, w + right)
        return map_logits(
            answer, lambda logits: resize(logits, size, align_corners=True)[..., :h, :w]
        )


def fcn_head(
    layers: Layers, in_channels: int, channels: int, label_count: int, dropout: float = 0.1
) -> nn.Sequential:
    """Features -> logits by a 3x3 and a 1x1 convolution (Long et al. 2015), with dropout between."""
    return nn.Sequential(
        layers.conv_norm_relu(in_channels, channels),
        layers.dropout(dropout),
        layers.conv(channels, label_count, 1, bias=True),
    )


def side_head(
    layers: Layers, encoder: Encoder, label_count: int, *, narrower: int = 2, dropout: float = 0.1
) -> nn.Sequential:
    """The FCN head on an encoder's third features that is trained beside another head.

    Args:
        narrower: how many times fewer features than those it has inside.
    """
    third = encoder.channels[-2]
    return fcn_head(layers, third, third // narrower, label_count, dropout)


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Softmax attention between places, without a matrix of all pairs where PyTorch has a kernel for it.

    Args:
        query: (bs, ch, places)
        key: (bs, ch, other places)
        value: (bs, value channels, other places)
        scale: of the products of query and key.

    Returns:
        (bs, value channels, places): for each place the mean of the values, weighted by the softmax
        over the other places.
    """
    one_head = (part.mT.unsqueeze(1) for part in (query, key, value))
    return F.scaled_dot_product_attention(*one_head, scale=scale).squeeze(1).mT
