"""Networks that MONAI has: what each is called with, so that it is the paper's, takes any size and a batch of one."""

from collections.abc import Sequence

import torch.nn.functional as F
from monai.networks.nets.attentionunet import AttentionUnet
from monai.networks.nets.basic_unetplusplus import BasicUNetPlusPlus
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.highresnet import HighResNet
from monai.networks.nets.mednext import create_mednext
from monai.networks.nets.segresnet import SegResNet
from monai.networks.nets.swin_unetr import SwinUNETR
from monai.networks.nets.unet import UNet
from monai.networks.nets.unetr import UNETR
from monai.networks.nets.vnet import VNet
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from mos.errors import BadInput
from mos.networks.norms import replace_norms
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resize import resize
from mos.networks.unet import plan_levels
from mos.networks.windows import FixedSize

_FIVE_LEVELS = (16, 32, 64, 128, 256)


def _padded(network: nn.Module, plan: Plan, multiple: int) -> nn.Module:
    return PadToMultiple(network, (multiple,) * plan.dims)


def _first_of(plan: Plan, name: str, own: Sequence[int], doubling: int) -> int:
    """Features of the finest level, where the next levels double them.

    Args:
        own: the paper's, by level.
        doubling: how many of the levels double.

    Raises:
        BadInput: other levels than the network can have were asked for.
    """
    asked = plan.channels or own
    if len(asked) != len(own) or any(asked[i] != asked[0] << i for i in range(doubling)):
        what = "each twice" if doubling == len(own) else f"the first {doubling} each twice"
        raise BadInput(
            f"--model_channels {','.join(map(str, asked))}: {name} has {len(own)} levels, {what} as wide as the one "
            f"before; give numbers such as {','.join(map(str, own))}"
        )
    return asked[0]


class DeepSupervision(nn.Module):
    """A network that answers with a list in train mode, the full resolution first: as `Outputs`.

    Args:
        weights: of the answers behind the first.
    """

    def __init__(self, network: nn.Module, weights: Sequence[float]):
        super().__init__()
        self.network = network
        self.weights = tuple(weights)

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, ch, *size) -> logits (bs, label_count, *size)."""
        answers = self.network(image)
        if isinstance(answers, Tensor):
            return answers
        if not self.training:
            return answers[0]
        others = zip(self.weights, answers[1:], strict=True)
        size = image.shape[2:]
        return Outputs(answers[0], tuple(Auxiliary(w, resize(one, size)) for w, one in others))


class _NnUNet(DynUNet):
    """DynUNet that gives its heads' answers as a list and keeps none of them."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """(bs, ch, *size) -> logits, finest first."""
        # The heads fill a list that the layers share; what stayed there would keep the graph in memory.
        answer = self.output_block(self.skip_layers(image))
        others = list(self.heads)
        self.heads[:] = [image.new_zeros(1)] * len(others)
        return [answer, *others]


def nnunet(plan: Plan) -> nn.Module:
    """nnU-Net's plain U-Net: levels, strides and kernels from size and spacing, instance norm, deep supervision.

    Features double from 32 to 512 (2-D) or 320 (3-D). Logits of coarser levels weigh 1/2, 1/4, ...;
    they are enlarged to the segmentation, where nnU-Net shrinks the segmentation to them.
    """
    _, strides = plan_levels(plan.crop_size, plan.spacing, 9)
    useful = sum(max(stride) > 1 for stride in strides)
    most = 320 if plan.dims == 3 else 512
    channels = plan.channels or [min(32 << i, most) for i in range(max(useful + 1, 3))]
    kernels, strides = plan_levels(plan.crop_size, plan.spacing, len(channels))
    heads = max(len(channels) - 3, 1)
    network = _NnUNet(
        spatial_dims=plan.dims,
        in_channels=plan.in_channels,
        out_channels=plan.label_count,
        kernel_size=kernels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=list(channels),
        dropout=plan.dropout or None,
        norm_name=("instance", {"affine": True}),
        deep_supervision=True,
        deep_supr_num=heads,
    )
    network = DeepSupervision(replace_norms(network, None), [0.5**i for i in range(1, heads + 1)])
    multiples = [1] * plan.dims
    for stride in strides:
        multiples = [m * s for m, s in zip(multiples, stride, strict=True)]
    return PadToMultiple(network, multiples)


def _monai_unet(plan: Plan, residual_units: int) -> nn.Module:
    channels = plan.channels or _FIVE_LEVELS
    network = UNet(
        spatial_dims=plan.dims,
        in_channels=plan.in_channels,
        out_channels=plan.label_count,
        channels=channels,
        strides=(2,) * (len(channels) - 1),
        num_res_units=residual_units,
        dropout=plan.dropout,
    )
    return _padded(replace_norms(network, plan.norm), plan, 2 ** (len(channels) - 1))


def unet(plan: Plan) -> nn.Module:
    """One strided convolution a level, PReLU: the small U-Net of MONAI's examples."""
    return _monai_unet(plan, 0)


def residual_unet(plan: Plan) -> nn.Module:
    """The same with two residual convolutions a level."""
    return _monai_unet(plan, 2)


def attention_unet(plan: Plan) -> nn.Module:
    """A gate computed from the coarser level weights every skip."""
    channels = plan.channels or _FIVE_LEVELS
    network = AttentionUnet(
        spatial_dims=plan.dims,
        in_channels=plan.in_channels,
        out_channels=plan.label_count,
        channels=channels,
        strides=(2,) * (len(channels) - 1),
        dropout=plan.dropout,
    )
    return _padded(replace_norms(network, plan.norm), plan, 2 ** (len(channels) - 1))


class _NestedUNet(BasicUNetPlusPlus):
    """U-Net++ whose deepest answer comes first."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """(bs, ch, *size) -> four logits of that size."""
        return super().forward(image)[::-1]


def unetpp(plan: Plan) -> nn.Module:
    """Nested dense skips; the four answers at full resolution count alike in training, the last is the answer."""
    channels = plan.channels or (32, 64, 128, 256, 512)
    if len(channels) != 5:
        raise BadInput(
            f"--model_channels {','.join(map(str, channels))}: unetpp has five levels; give five numbers"
        )
    network = _NestedUNet(
        spatial_dims=plan.dims,
        in_channels=plan.in_channels,
        out_channels=plan.label_count,
        features=(*channels, channels[0]),
        deep_supervision=True,
        dropout=plan.dropout,
    )
    return _padded(DeepSupervision(replace_norms(network, plan.norm), (1.0,) * 3), plan, 16)


class _PadChannels(nn.Module):
    """Adds channels of zeros, for a network that copies its input a whole number of times."""

    def __init__(self, network: nn.Module, missing: int):
        super().__init__()
        self.network = network
        self.missing = missing

    def forward(self, image: Tensor) -> Tensor:
        """(bs, ch, *size) -> (bs, label_count, *size)."""
        spare = (0, 0) * (image.dim() - 2)
        return self.network(F.pad(image, (*spare, 0, self.missing)))


def vnet(plan: Plan) -> nn.Module:
    """Residual stages of 5-wide convolutions with PReLU; the input is added to the 16 features of the first.

    No norm behind the last 5-wide convolution, as in the authors' prototxt.
    """
    fitting = next((n for n in (1, 2, 4, 8, 16) if n >= plan.in_channels), None)
    if fitting is None:
        raise BadInput(f"--model vnet: takes up to 16 image channels, here are {plan.in_channels}")
    network = VNet(plan.dims, fitting, plan.label_count, act="prelu", dropout_dim=plan.dims)
    for layer in network.modules():
        if isinstance(layer, _DropoutNd):
            layer.p = plan.dropout
    # MONAI puts a norm on the one map of each label that the logits are made of; the paper has none. There it takes
    # away how much of the image a label fills, an absent label's map gets the spread of a present one's, and
    # logits can grow no faster than three numbers do: after 320 steps hardly anything was learnt.
    last = network.out_tr.conv_block
    last.conv = type(last.conv)(last.conv.in_channels, plan.label_count, 5, padding=2)
    del last.adn
    network = _PadChannels(replace_norms(network, plan.norm), fitting - plan.in_channels)
    return _padded(network, plan, 16)


def highresnet(plan: Plan) -> nn.Module:
    """Dilated residual convolutions at full resolution; the logits are those of its last convolution, without ReLU."""
    network = HighResNet(
        plan.dims, plan.in_channels, plan.label_count, dropout_prob=plan.dropout or None
    )
    last = network.blocks[-1].conv
    network.blocks[-1] = type(last)(last.in_channels, last.out_channels, 1)
    return replace_norms(network, plan.norm)


def segresnet(plan: Plan) -> nn.Module:
    """Residual encoder larger than its decoder, group norm, without the paper's autoencoder branch."""
    first = _first_of(plan, "segresnet", (32, 64, 128, 256), 4)
    if first % 8:
        raise BadInput(
            f"--model_channels {first},...: segresnet's norm has 8 groups; begin with 8, 16, 24, ..."
        )
    network = SegResNet(
        plan.dims, first, plan.in_channels, plan.label_count, dropout_prob=plan.dropout or None
    )
    return _padded(network, plan, 8)


def unetr(plan: Plan) -> nn.Module:
    """A vision transformer of 16-wide patches as the encoder; made for one size, which is the crop's."""
    size = tuple(-(-n // 16) * 16 for n in plan.crop_size)
    own = (16, 32, 64, 128, 768)
    hidden = (plan.channels or own)[-1]
    if hidden % 12:
        raise BadInput(
            f"--model_channels ...,{hidden}: unetr's 12 heads share the last number; give a multiple of 12"
        )
    network = UNETR(
        plan.in_channels,
        plan.label_count,
        img_size=size,
        feature_size=_first_of(plan, "unetr", own, 4),
        hidden_size=hidden,
        mlp_dim=4 * hidden,
        dropout_rate=plan.dropout,
        spatial_dims=plan.dims,
    )
    for block in network.vit.blocks:
        block.norm_cross_attn = (
            nn.Identity()
        )  # MONAI makes it also where there is nothing to cross with
    return FixedSize(replace_norms(network, None), size)


class _SwinUNETR(SwinUNETR):
    """Without the check of its size: `PadToMultiple` sees to that, and torch.compile cannot look through numpy."""

    def _check_input_size(self, spatial_shape: Sequence[int]) -> None:
        pass


def swin_unetr(plan: Plan) -> nn.Module:
    """A Swin transformer as the encoder; 48 features, as the paper has it."""
    first = _first_of(plan, "swinunetr", (48, 96, 192, 384, 768), 5)
    if first % 12:
        raise BadInput(
            f"--model_channels {first},...: swinunetr's heads share them; begin with 12, 24, 36, ..."
        )
    network = _SwinUNETR(
        plan.in_channels,
        plan.label_count,
        feature_size=first,
        drop_rate=plan.dropout,
        spatial_dims=plan.dims,
    )
    return _padded(replace_norms(network, None), plan, 32)


def mednext(plan: Plan) -> nn.Module:
    """MedNeXt-S with 3-wide kernels and deep supervision."""
    network = create_mednext(
        "S", plan.dims, plan.in_channels, plan.label_count, kernel_size=3, deep_supervision=True
    )
    network = DeepSupervision(replace_norms(network, None), (0.5, 0.25, 0.125, 0.0625))
    return _padded(network, plan, 16)
