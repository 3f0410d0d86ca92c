"""The table of networks: a name on a launcher is a line here and a file beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

    from mos.networks.plan import Plan

Wish = Literal["channels", "norm", "dropout", "encoder"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """How many parameters a paper or a reference implementation says a network has, and as built how."""

    parameters: float
    where: str  # who says so: "paper, table 2", "reference code"
    in_channels: int = 3
    label_count: int = 2
    crop_size: tuple[int, ...] = ()  # (): 64 voxels along each axis
    channels: tuple[int, ...] | None = None
    norm: Literal["batch", "instance", "group"] = "batch"
    encoder: str | None = None


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network: where it is built, what it is, and what of a user's wishes it heeds."""

    builder: str  # "segnet.build": the function `build(plan: Plan) -> nn.Module` of mos/networks/segnet.py
    dims: tuple[int, ...]  # the dimensions it comes in
    title: str  # as its authors write it
    paper: str  # authors and venue: "Ronneberger et al., MICCAI"
    year: int
    source: Literal["own", "MONAI", "smp", "torchvision", "timm"]  # whose code it is
    takes: tuple[Wish, ...] = ()  # wishes it heeds; another one is refused by name
    encoder: str | None = None  # the encoder it has where none is asked for
    published: Mapping[int, Published] = field(default_factory=dict)  # by dimension
    note: str = ""  # what a reader of the table should know: a stated exception, in words
    no_compile: str = ""  # why torch.compile breaks its graph, where it does

    def build(self, plan: "Plan") -> "nn.Module":
        """The network (bs, in_channels, *size) -> logits (bs, label_count, *size), for any size.

        In train mode it may give `mos.networks.outputs.Outputs` instead.

        Raises:
            BadInput: a wish of the plan cannot be had, such as an encoder nobody knows.
        """
        module, _, function = self.builder.partition(".")
        # Imported on use: these files import torch at their top, and `--help` lists the names without it.
        return getattr(import_module(f"mos.networks.{module}"), function)(plan)


_ALL = ("channels", "norm", "dropout")
_SMP = ("norm", "encoder")

NETWORKS: dict[str, Network] = {
    "unet": Network(
        builder="unet.build",
        dims=(2, 3),
        title="U-Net",
        paper="Ronneberger et al., MICCAI; 3-D: Çiçek et al., MICCAI 2016",
        year=2015,
        source="MONAI",
        takes=_ALL,
        note="strides and kernels follow the voxel's shape",
    ),
    # MONAI
    "nnunet": Network(
        builder="monai_nets.nnunet",
        dims=(2, 3),
        title="nnU-Net's U-Net",
        paper="Isensee et al., Nature Methods",
        year=2021,
        source="MONAI",
        takes=("channels", "dropout"),
        note="the network alone; data, augmentation and schedule are this run's",
    ),
    "monaiunet": Network(
        builder="monai_nets.unet",
        dims=(2, 3),
        title="U-Net, one convolution a level",
        paper="Kerfoot et al., STACOM, without residual units",
        year=2018,
        source="MONAI",
        takes=_ALL,
    ),
    "monairesunet": Network(
        builder="monai_nets.residual_unet",
        dims=(2, 3),
        title="Residual-unit U-Net",
        paper="Kerfoot et al., STACOM",
        year=2018,
        source="MONAI",
        takes=_ALL,
    ),
    "attunet": Network(
        builder="monai_nets.attention_unet",
        dims=(2, 3),
        title="Attention U-Net",
        paper="Oktay et al., MIDL",
        year=2018,
        source="MONAI",
        takes=_ALL,
    ),
    "unetpp": Network(
        builder="monai_nets.unetpp",
        dims=(2, 3),
        title="U-Net++",
        paper="Zhou et al., DLMIA",
        year=2018,
        source="MONAI",
        takes=_ALL,
    ),
    "vnet": Network(
        builder="monai_nets.vnet",
        dims=(2, 3),
        title="V-Net",
        paper="Milletari et al., 3DV",
        year=2016,
        source="MONAI",
        takes=("norm", "dropout"),
    ),
    "highresnet": Network(
        builder="monai_nets.highresnet",
        dims=(2, 3),
        title="HighRes3DNet",
        paper="Li et al., IPMI",
        year=2017,
        source="MONAI",
        takes=("norm", "dropout"),
    ),
    "segresnet": Network(
        builder="monai_nets.segresnet",
        dims=(2, 3),
        title="SegResNet",
        paper="Myronenko, BrainLes",
        year=2018,
        source="MONAI",
        takes=("dropout",),
    ),
    "unetr": Network(
        builder="monai_nets.unetr",
        dims=(2, 3),
        title="UNETR",
        paper="Hatamizadeh et al., WACV",
        year=2022,
        source="MONAI",
        takes=("dropout",),
        note="made for the crop's size; larger images are answered in windows of it",
    ),
    "swinunetr": Network(
        builder="monai_nets.swin_unetr",
        dims=(2, 3),
        title="Swin UNETR",
        paper="Hatamizadeh et al., BrainLes",
        year=2021,
        source="MONAI",
        takes=("dropout",),
    ),
    "mednext": Network(
        builder="monai_nets.mednext",
        dims=(2, 3),
        title="MedNeXt-S",
        paper="Roy et al., MICCAI",
        year=2023,
        source="MONAI",
    ),
    # segmentation-models-pytorch
    "timmunet": Network(
        builder="smp_nets.unet",
        dims=(2,),
        title="U-Net on any encoder",
        paper="Ronneberger et al., MICCAI; the encoder's own",
        year=2015,
        source="smp",
        takes=_SMP,
        encoder="resnet34",
    ),
    "timmunetpp": Network(
        builder="smp_nets.unetpp",
        dims=(2,),
        title="U-Net++ on any encoder",
        paper="Zhou et al., DLMIA; the encoder's own",
        year=2018,
        source="smp",
        takes=_SMP,
        encoder="resnet34",
    ),
    "manet": Network(
        builder="smp_nets.manet",
        dims=(2,),
        title="MA-Net",
        paper="Fan et al., IEEE Access",
        year=2020,
        source="smp",
        takes=_SMP,
        encoder="resnet34",
    ),
    "linknet": Network(
        builder="smp_nets.linknet",
        dims=(2,),
        title="LinkNet",
        paper="Chaurasia & Culurciello, VCIP",
        year=2017,
        source="smp",
        takes=_SMP,
        encoder="resnet34",
    ),
    "fpn": Network(
        builder="smp_nets.fpn",
        dims=(2,),
        title="FPN",
        paper="Kirillov et al., CVPR",
        year=2019,
        source="smp",
        takes=_SMP,
        encoder="resnet34",
    ),
    "pspnet": Network(
        builder="smp_nets.pspnet",
        dims=(2,),
        title="PSPNet",
        paper="Zhao et al., CVPR",
        year=2017,
        source="smp",
        takes=_SMP,
        encoder="resnet50",
    ),
    "pan": Network(
        builder="smp_nets.pan",
        dims=(2,),
        title="PAN",
        paper="Li et al., BMVC",
        year=2018,
        source="smp",
        takes=_SMP,
        encoder="resnet34",
    ),
    "deeplabv3": Network(
        builder="smp_nets.deeplabv3",
        dims=(2,),
        title="DeepLabv3",
        paper="Chen et al., arXiv",
        year=2017,
        source="smp",
        takes=_SMP,
        encoder="resnet50",
    ),
    "deeplabv3plus": Network(
        builder="smp_nets.deeplabv3plus",
        dims=(2,),
        title="DeepLabv3+",
        paper="Chen et al., ECCV",
        year=2018,
        source="smp",
        takes=_SMP,
        encoder="resnet50",
    ),
    "upernet": Network(
        builder="smp_nets.upernet",
        dims=(2,),
        title="UPerNet",
        paper="Xiao et al., ECCV",
        year=2018,
        source="smp",
        takes=_SMP,
        encoder="resnet50",
    ),
    "segformer": Network(
        builder="smp_nets.segformer",
        dims=(2,),
        title="SegFormer",
        paper="Xie et al., NeurIPS",
        year=2021,
        source="smp",
        takes=_SMP,
        encoder="mit_b0",
    ),
    "dpt": Network(
        builder="smp_nets.dpt",
        dims=(2,),
        title="DPT",
        paper="Ranftl et al., ICCV",
        year=2021,
        source="smp",
        takes=_SMP,
        encoder="vit_base_patch16_224.augreg_in21k",
    ),
    # torchvision
    "fcn": Network(
        builder="torchvision_nets.fcn",
        dims=(2,),
        title="FCN",
        paper="Long et al., CVPR",
        year=2015,
        source="torchvision",
        takes=_SMP,
        encoder="resnet50",
    ),
    # attention heads on a dilated backbone
    # own encoder-decoders
    # transformers, polyp and lesion networks
}
