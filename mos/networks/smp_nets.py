"""Networks that segmentation-models-pytorch has, on any of its encoders and timm's.

Whatever the papers trained on, the encoder asked for is theirs; without one it is the usual ResNet (mit_b0 for
SegFormer, ViT-B/16 for DPT). Weights are random unless `--encoder_weights` names a file.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import segmentation_models_pytorch as smp
import timm
from segmentation_models_pytorch.encoders import encoders as smp_encoders
from torch import nn

from mos.networks.encoders import IMAGENET_MEAN, IMAGENET_STD, Standardise, check_any_size, refusal
from mos.networks.norms import replace_norms
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan

_STRIDE = 32  # what the coarsest feature map of any of these encoders divides


def _encoder_name(name: str) -> str:
    """The name as smp has it: timm's behind `tu-`, which is preferred where both have one."""
    base = name.removeprefix("tu-")
    if timm.is_model(base):
        return f"tu-{base}"
    if base in smp_encoders:
        return base
    raise refusal(name, "")


def _build(
    kind: Callable[..., nn.Module],
    plan: Plan,
    default: str,
    *,
    least: int = _STRIDE,
    **settings: Any,
) -> nn.Module:
    name = _encoder_name(plan.encoder or default)
    try:
        network = kind(
            encoder_name=name,
            encoder_weights=None,
            in_channels=plan.in_channels,
            classes=plan.label_count,
            **settings,
        )
    except (RuntimeError, TypeError, ValueError, AssertionError, IndexError, KeyError) as error:
        stride = settings.get("output_stride") or settings.get("encoder_output_stride", _STRIDE)
        needed = f"feature maps at strides 2 to {_STRIDE}"
        if stride < _STRIDE:
            needed = f"an encoder that can be dilated to stride {stride}"
        raise refusal(plan.encoder or default, needed, error) from error
    if plan.encoder:
        check_any_size(network, plan, plan.encoder)
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    if name.startswith("tu-"):
        config = timm.get_pretrained_cfg(name.removeprefix("tu-"))
        mean, std = config.mean, config.std
    parts = OrderedDict(
        standardise=Standardise(plan.in_channels, mean, std),
        network=replace_norms(network, plan.norm),
    )
    return PadToMultiple(nn.Sequential(parts), (_STRIDE, _STRIDE), (least, least))


def unet(plan: Plan) -> nn.Module:
    """A U-Net decoder on any encoder."""
    return _build(smp.Unet, plan, "resnet34")


def unetpp(plan: Plan) -> nn.Module:
    """A U-Net++ decoder on any encoder."""
    return _build(smp.UnetPlusPlus, plan, "resnet34")


def manet(plan: Plan) -> nn.Module:
    """Position-wise and multi-scale fusion attention."""
    # Attention over a coarsest map of one position would be constant.
    return _build(smp.MAnet, plan, "resnet34", least=2 * _STRIDE)


def linknet(plan: Plan) -> nn.Module:
    """Skips that are added, a light decoder."""
    return _build(smp.Linknet, plan, "resnet34")


def fpn(plan: Plan) -> nn.Module:
    """A feature pyramid whose levels are summed up."""
    return _build(smp.FPN, plan, "resnet34")


def pspnet(plan: Plan) -> nn.Module:
    """Pyramid pooling at output stride 8."""
    # smp's own choice would end the encoder at that stride, without its deepest stages.
    return _build(smp.PSPNet, plan, "resnet50", encoder_depth=5, output_stride=8)


def pan(plan: Plan) -> nn.Module:
    """Pyramid attention and global attention upsampling."""
    # Its pyramid halves the coarsest map, of stride 16, three times.
    return _build(smp.PAN, plan, "resnet34", least=128, encoder_output_stride=16)


def deeplabv3(plan: Plan) -> nn.Module:
    """Atrous spatial pyramid pooling at output stride 8."""
    return _build(smp.DeepLabV3, plan, "resnet50", encoder_output_stride=8)


def deeplabv3plus(plan: Plan) -> nn.Module:
    """Separable atrous pyramid at output stride 16, with a decoder."""
    return _build(smp.DeepLabV3Plus, plan, "resnet50", encoder_output_stride=16)


def upernet(plan: Plan) -> nn.Module:
    """Pyramid pooling on top of a feature pyramid."""
    # Pooled from a single position, all cells of the pyramid would be alike.
    return _build(smp.UPerNet, plan, "resnet50", least=2 * _STRIDE)


def segformer(plan: Plan) -> nn.Module:
    """A hierarchical transformer and a decoder of linear layers."""
    # Keys and values are pooled to stride 32: of a single one, attention would be constant.
    return _build(smp.Segformer, plan, "mit_b0", least=2 * _STRIDE)


def dpt(plan: Plan) -> nn.Module:
    """Feature maps reassembled from a plain vision transformer; position embeddings are interpolated to the image."""
    name = plan.encoder or "vit_base_patch16_224.augreg_in21k"
    network = _build(smp.DPT, plan, name, dynamic_img_size=True)
    encoder = network.network.network.encoder
    # What stands behind the last feature map would never learn.
    encoder.model.prune_intermediate_layers(
        encoder._output_indices, prune_norm=True, prune_head=True
    )
    return network
