"""`transunet`: TransUNet, a ResNet and a vision transformer as encoder of a U-Net, 2-D.

Chen et al. 2021, "TransUNet: Transformers Make Strong Encoders for Medical Image Segmentation"
(arXiv 2102.04306; Medical Image Analysis 2024).

Kept: R50-ViT-B/16 (three stages of a ResNet-50 with weight standardisation and group norm, twelve
transformer layers of 768 features on its output, learnt positions), built of timm's parts and named
as timm's, so that `--encoder_weights` takes the very weights the authors start from; skips from the
ResNet; a decoder of 512, 256, 128, 64 and 16 features.
Differs: an image of any size is padded inside to a multiple of 16, and positions are interpolated
from the training crop's; a single image channel is not copied three times; images are scaled to
-1..1, as those that the published weights were trained on; transformer dropout is
`--model_dropout`, 0.1 in the paper, and also drops what attention gives. `--model_channels` gives
the ResNet's stem, its three stages and the transformer, 64,256,512,1024,768 in the paper; the
decoder follows. The encoder keeps its own norms, `--model_norm` is the decoder's. Paddings and the
32 groups of the shortcuts' norms are timm's, which the published weights need; the authors' code
pads by one pixel less on a side and norms every channel of a shortcut by itself.
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from timm.layers import GroupNormAct, HybridEmbed, StdConv2dSame, resample_abs_pos_embed
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from mos.errors import BadInput
from mos.networks.encoders import Standardise
from mos.networks.layers import Layers
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resize import resize

# One network, published after training on images of two sizes.
_ENCODERS = ("vit_base_r50_s16_224", "vit_base_r50_s16_384")
_CHANNELS = (64, 256, 512, 1024, 768)
_RESNET_DEPTHS = (3, 4, 9)
_TRANSFORMER_DEPTH = 12
_HEAD = 64  # features of an attention head
_PATCH = 16


def build(plan: Plan) -> nn.Module:
    """The network (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size.

    Raises:
        BadInput: another encoder than the paper's, or not five channels that can be split into groups.
    """
    if plan.encoder and plan.encoder.partition(".")[0] not in _ENCODERS:
        raise BadInput(
            f"--encoder {plan.encoder}: transunet has the R50-ViT-B/16 of its paper; leave --encoder out, or take "
            f"{' or '.join(_ENCODERS)} to say whose weights are loaded (--model_channels makes it smaller)"
        )
    channels = plan.channels or _CHANNELS
    given = ",".join(map(str, channels))
    if len(channels) != len(_CHANNELS) or any(ch % 8 for ch in channels):
        raise BadInput(
            f"--model_channels {given}: transunet needs five multiples of 8, of the ResNet's stem, its three stages "
            f"and the transformer, such as {','.join(map(str, _CHANNELS))}"
        )
    return PadToMultiple(TransUNet(plan, channels), (_PATCH, _PATCH))


class HybridEncoder(nn.Module):
    """A ResNet whose last map is the tokens of a vision transformer.

    Args:
        crop: (h, w) in pixels that positions are learnt for.

    Attributes:
        grid: (h, w) in tokens of it; published positions are fitted to these.
    """

    def __init__(
        self, in_channels: int, channels: Sequence[int], crop: Sequence[int], dropout: float
    ):
        super().__init__()
        stem, *stages, width = channels
        resnet = ResNetV2(
            layers=_RESNET_DEPTHS,
            channels=tuple(stages),
            stem_chs=stem,
            in_chans=in_channels,
            num_classes=0,
            global_pool="",
            preact=False,
            stem_type="same",
            conv_layer=partial(StdConv2dSame, eps=1e-8),
            norm_layer=partial(
                GroupNormAct, num_groups=math.gcd(32, stem, *(c // 4 for c in stages))
            ),
        )
        grid = tuple(-(-n // _PATCH) for n in crop)
        self.body = VisionTransformer(
            img_size=tuple(n * _PATCH for n in grid),
            patch_size=1,
            in_chans=in_channels,
            num_classes=0,
            global_pool="",
            class_token=False,
            embed_dim=width,
            depth=_TRANSFORMER_DEPTH,
            num_heads=_heads(width),
            pos_drop_rate=dropout,
            proj_drop_rate=dropout,
            embed_layer=partial(HybridEmbed, backbone=resnet),
        )
        # timm starts a residual branch at zero, the authors do not.
        self.body.patch_embed.backbone.init_weights(zero_init_last=False)
        self.grid = grid
        self.standardise = Standardise(in_channels, (0.5,) * 3, (0.5,) * 3)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(bs, in_channels, h, w) in 0..1 -> three maps of the ResNet, finest first, and the transformer's.

        Their strides are 2, 4, 8 and 16.
        """
        embed = self.body.patch_embed
        stem = embed.backbone.stem
        x = stem.norm(stem.conv(self.standardise(image)))
        maps = [x]
        x = stem.pool(x)
        for stage in embed.backbone.stages:
            x = stage(x)
            maps.append(x)
        x = embed.proj(maps.pop())
        size = x.shape[2:]
        place = resample_abs_pos_embed(
            self.body.pos_embed, new_size=list(size), old_size=list(self.grid), num_prefix_tokens=0
        )
        x = self.body.pos_drop(x.flatten(2).mT + place)
        x = self.body.norm(self.body.blocks(x))
        return [*maps, x.mT.unflatten(2, size)]


def _heads(width: int) -> int:
    return next(heads for heads in range(max(1, width // _HEAD), 0, -1) if width % heads == 0)


class TransUNet(nn.Module):
    """For sizes that are multiples of 16."""

    def __init__(self, plan: Plan, channels: Sequence[int]):
        super().__init__()
        layers = Layers.of(plan)
        stem, first, second, third, width = channels
        self.encoder = HybridEncoder(plan.in_channels, channels, plan.crop_size, plan.dropout)
        wide = third // 2
        self.narrow = layers.conv_norm_relu(width, wide)
        self.levels = nn.ModuleList()
        ups = ((second, second // 2), (first, first // 2), (stem, stem), (0, stem // 4))
        for skip, out in ups:
            self.levels.append(
                layers.conv_norm_relu(wide + skip, out).extend(layers.conv_norm_relu(out, out))
            )
            wide = out
        self.head = layers.conv(wide, plan.label_count, bias=True)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w)."""
        *skips, x = self.encoder(image)
        x = self.narrow(x)
        for level in self.levels:
            size = skips[-1].shape[2:] if skips else image.shape[2:]
            x = resize(x, size, align_corners=True)
            x = level(torch.cat([x, skips.pop()], 1) if skips else x)
        return self.head(x)
