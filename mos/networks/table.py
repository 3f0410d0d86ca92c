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
    where: str  # who says so: "paper, table 2", "layers of the authors' code" (counted by hand)
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
    # What it has where none can be asked for; layer: of transformers that have nothing else.
    norm: Literal["batch", "instance", "group", "layer"] = "batch"
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
        norm="instance",
        takes=("channels", "dropout"),
        note="the network alone; data, augmentation and schedule are this run's",
    ),
    "monaiunet": Network(
        builder="monai_nets.unet",
        dims=(2, 3),
        title="U-Net, one convolution a level",
        paper="Kerfoot et al., STACOM; without residual units",
        year=2018,
        source="MONAI",
        takes=_ALL,
        note="MONAI's own form",
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
        no_compile="MONAI's blocks ask torch.jit.isinstance, which no graph can hold",
        published={2: Published(parameters=9.04e6, where="paper, table 2")},
    ),
    "vnet": Network(
        builder="monai_nets.vnet",
        dims=(2, 3),
        title="V-Net",
        paper="Milletari et al., 3DV",
        year=2016,
        source="MONAI",
        takes=("norm", "dropout"),
        note="the paper gives no count",
    ),
    "highresnet": Network(
        builder="monai_nets.highresnet",
        dims=(2, 3),
        title="HighRes3DNet",
        paper="Li et al., IPMI",
        year=2017,
        source="MONAI",
        takes=("norm", "dropout"),
        published={3: Published(parameters=0.81e6, where="paper", in_channels=1, label_count=160)},
    ),
    "segresnet": Network(
        builder="monai_nets.segresnet",
        dims=(2, 3),
        title="SegResNet",
        paper="Myronenko, BrainLes",
        year=2018,
        source="MONAI",
        norm="group",
        takes=("channels", "dropout"),
        note="without the paper's autoencoder branch, which its count includes",
    ),
    "unetr": Network(
        builder="monai_nets.unetr",
        dims=(2, 3),
        title="UNETR",
        paper="Hatamizadeh et al., WACV",
        year=2022,
        source="MONAI",
        norm="instance",
        takes=("channels", "dropout"),
        note="made for the crop's size; larger images are answered in windows of it",
        published={
            3: Published(
                parameters=92.58e6,
                where="paper",
                in_channels=1,
                label_count=14,
                crop_size=(96, 96, 96),
            )
        },
    ),
    "swinunetr": Network(
        builder="monai_nets.swin_unetr",
        dims=(2, 3),
        title="Swin UNETR",
        paper="Hatamizadeh et al., BrainLes",
        year=2021,
        source="MONAI",
        norm="instance",
        takes=("channels", "dropout"),
        published={
            3: Published(parameters=61.98e6, where="paper, table 1", in_channels=4, label_count=3)
        },
    ),
    "mednext": Network(
        builder="monai_nets.mednext",
        dims=(2, 3),
        title="MedNeXt-S",
        paper="Roy et al., MICCAI",
        year=2023,
        source="MONAI",
        norm="group",
        published={
            3: Published(parameters=5.6e6, where="paper, S with 3-wide kernels", in_channels=1)
        },
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
        note="parameters are the encoder's more than the decoder's, as in all of smp's networks",
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
        published={2: Published(parameters=3.8e6, where="paper, B0", label_count=150)},
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
        published={2: Published(parameters=35_322_218, where="torchvision", label_count=21)},
    ),
    # attention heads on a dilated backbone
    "danet": Network(
        builder="danet.build",
        dims=(2,),
        title="DANet",
        paper="Fu et al., CVPR",
        year=2019,
        source="own",
        takes=("norm", "encoder"),
        encoder="resnet50",
        published={
            2: Published(parameters=47_462_651, where="layers of the authors' code", label_count=19)
        },
    ),
    "ccnet": Network(
        builder="ccnet.build",
        dims=(2,),
        title="CCNet",
        paper="Huang et al., ICCV",
        year=2019,
        source="own",
        takes=("norm", "encoder"),
        encoder="resnet50",
        published={
            2: Published(
                parameters=71_287_911,
                where="layers of the authors' code",
                label_count=19,
                encoder="resnet101",
            )
        },
    ),
    "emanet": Network(
        builder="emanet.build",
        dims=(2,),
        title="EMANet",
        paper="Li et al., ICCV",
        year=2019,
        source="own",
        takes=("norm", "encoder"),
        encoder="resnet50",
        published={
            2: Published(parameters=34_781_397, where="layers of the authors' code", label_count=21)
        },
    ),
    "ocnet": Network(
        builder="ocnet.build",
        dims=(2,),
        title="OCNet (ASP-OC)",
        paper="Yuan et al., IJCV",
        year=2021,
        source="own",
        takes=("norm", "encoder"),
        encoder="resnet50",
        published={
            2: Published(
                parameters=62_542_182,
                where="layers of the authors' code",
                label_count=19,
                encoder="resnet101",
            )
        },
    ),
    "ann": Network(
        builder="ann.build",
        dims=(2,),
        title="Asymmetric Non-local Network",
        paper="Zhu et al., ICCV",
        year=2019,
        source="own",
        takes=("norm", "encoder"),
        encoder="resnet50",
        published={
            2: Published(
                parameters=67_694_310,
                where="layers of the authors' code",
                label_count=19,
                encoder="resnet101",
            )
        },
    ),
    "psanet": Network(
        builder="psanet.build",
        dims=(2,),
        title="PSANet",
        paper="Zhao et al., ECCV",
        year=2018,
        source="own",
        takes=("norm", "encoder"),
        encoder="resnet50",
        published={
            2: Published(
                parameters=53_174_506,
                where="layers of the authors' code",
                label_count=21,
                crop_size=(465, 465),
            )
        },
        note="its parameters grow with the crop",
    ),
    "denseaspp": Network(
        builder="denseaspp.build",
        dims=(2,),
        title="DenseASPP",
        paper="Yang et al., CVPR",
        year=2018,
        source="own",
        takes=("norm", "encoder"),
        encoder="densenet121",
        published={
            2: Published(parameters=8_280_851, where="layers of the authors' code", label_count=19)
        },
    ),
    "gff": Network(
        builder="gff.build",
        dims=(2,),
        title="GFFNet",
        paper="Li et al., AAAI",
        year=2020,
        source="own",
        takes=("norm", "encoder"),
        encoder="resnet50",
        note="widths are ours: no code of the authors for ResNets was found, so no count to compare",
    ),
    # own encoder-decoders
    "segnet": Network(
        builder="segnet.build",
        dims=(2, 3),
        title="SegNet",
        paper="Badrinarayanan et al., TPAMI",
        year=2017,
        source="own",
        takes=("channels", "norm"),
        published={
            2: Published(
                parameters=29_449_355, where="layers of the authors' Caffe model", label_count=11
            )
        },
        note="the paper has it in 2-D alone",
    ),
    "resunet": Network(
        builder="resunet.build",
        dims=(2, 3),
        title="Deep Residual U-Net",
        paper="Zhang et al., GRSL",
        year=2018,
        source="own",
        takes=("channels", "norm"),
        published={
            2: Published(
                parameters=8_220_993,
                where="code of nikhilroxtomar/Semantic-Segmentation-Architecture",
                label_count=1,
            )
        },
        note="the paper's 7.8 million are its 3x3 convolutions alone, without the shortcuts' 1x1",
    ),
    "resunetpp": Network(
        builder="resunetpp.build",
        dims=(2, 3),
        title="ResUNet++",
        paper="Jha et al., ISM",
        year=2019,
        source="own",
        takes=("channels", "norm"),
        published={
            2: Published(parameters=4_062_993, where="the authors' PyTorch code", label_count=1)
        },
        note="the paper has it in 2-D alone",
    ),
    "r2unet": Network(
        builder="r2unet.build",
        dims=(2,),
        title="R2U-Net",
        paper="Alom et al., J. Med. Imaging",
        year=2019,
        source="own",
        takes=("channels", "norm"),
        published={
            2: Published(
                parameters=39_091_393,
                where="code of LeeJunHyun/Image_Segmentation",
                label_count=1,
            )
        },
    ),
    "attr2unet": Network(
        builder="attr2unet.build",
        dims=(2,),
        title="R2U-Net with attention gates",
        paper="Alom et al., J. Med. Imaging; gates: Oktay et al., MIDL 2018",
        year=2019,
        source="own",
        takes=("channels", "norm"),
        published={
            2: Published(
                parameters=39_442_925,
                where="code of LeeJunHyun/Image_Segmentation",
                label_count=1,
            )
        },
    ),
    "unet3p": Network(
        builder="unet3p.build",
        dims=(2,),
        title="UNet 3+",
        paper="Huang et al., ICASSP",
        year=2020,
        source="own",
        takes=("channels", "norm"),
        published={
            2: Published(
                parameters=26_971_777, where="the authors' code, without side heads", label_count=1
            )
        },
        note="without the classification-guided module",
    ),
    "multiresunet": Network(
        builder="multiresunet.build",
        dims=(2, 3),
        title="MultiResUNet",
        paper="Ibtehaz & Rahman, Neural Networks",
        year=2020,
        source="own",
        takes=("channels", "norm"),
        published={
            2: Published(
                parameters=7_262_750, where="paper, with running statistics", label_count=1
            ),
            3: Published(
                parameters=18_657_689,
                where="paper, with running statistics",
                in_channels=4,
                label_count=1,
            ),
        },
    ),
    "enet": Network(
        builder="enet.build",
        dims=(2,),
        title="ENet",
        paper="Paszke et al., arXiv",
        year=2016,
        source="own",
        takes=("norm",),
        published={
            2: Published(
                parameters=364_376,
                where="layers of the authors' code; paper, table 3: 0.37 million",
                label_count=20,
            )
        },
    ),
    "espnet": Network(
        builder="espnet.build",
        dims=(2,),
        title="ESPNet",
        paper="Mehta et al., ECCV",
        year=2018,
        source="own",
        takes=("norm",),
        published={
            2: Published(
                parameters=365_109,
                where="layers of the authors' code; paper: 0.364 million",
                label_count=20,
            )
        },
    ),
    "gcn": Network(
        builder="gcn.build",
        dims=(2,),
        title="GCN (Large Kernel Matters)",
        paper="Peng et al., CVPR",
        year=2017,
        source="own",
        takes=("norm", "encoder"),
        encoder="resnet50",
        note="the paper's encoder is resnet152; a block's parameters equal its table of kernel sizes",
    ),
    "miniseg": Network(
        builder="miniseg.build",
        dims=(2,),
        title="MiniSeg",
        paper="Qiu et al., AAAI",
        year=2021,
        source="own",
        takes=("norm",),
        published={2: Published(parameters=82_912, where="the authors' code; paper: 83 thousand")},
    ),
    "bisenetv2": Network(
        builder="bisenetv2.build",
        dims=(2,),
        title="BiSeNet V2",
        paper="Yu et al., IJCV",
        year=2021,
        source="own",
        takes=("norm",),
        published={
            2: Published(
                parameters=3_645_935,
                where="an earlier version of CoinCheung/BiSeNet, boosters included; the paper gives no count",
                label_count=19,
            )
        },
    ),
    "densevoxelnet": Network(
        builder="densevoxelnet.build",
        dims=(3,),
        title="DenseVoxNet",
        paper="Yu et al., MICCAI",
        year=2017,
        source="own",
        takes=("norm",),
        published={
            3: Published(
                parameters=1_783_408,
                where="code of black0017/MedicalZooPytorch; paper: 1.8 million",
                in_channels=1,
                label_count=3,
            )
        },
    ),
    # transformers, polyp and lesion networks
    "nnformer": Network(
        builder="nnformer.build",
        dims=(3,),
        title="nnFormer",
        paper="Zhou et al., arXiv; IEEE TIP 2023",
        year=2021,
        source="own",
        norm="layer",
        takes=("channels", "dropout"),
        published={
            3: Published(
                parameters=150_656_322,
                where="layers of the authors' code with patches of 4 x 4 x 4; 150.05 M with Synapse's 2 x 4 x 4",
                in_channels=1,
                label_count=14,
                crop_size=(128, 128, 128),
            )
        },
        note="deep supervision; strides follow the voxel's shape",
    ),
    "transunet": Network(
        builder="transunet.build",
        dims=(2,),
        title="TransUNet",
        paper="Chen et al., arXiv; MedIA 2024",
        year=2021,
        source="own",
        takes=("channels", "norm", "dropout", "encoder"),
        encoder="vit_base_r50_s16_224",
        published={
            2: Published(
                parameters=105_277_081,
                where="layers of the authors' code, R50-ViT-B/16",
                label_count=9,
                crop_size=(224, 224),
            )
        },
    ),
    "swinunet": Network(
        builder="swinunet.build",
        dims=(2,),
        title="Swin-Unet",
        paper="Cao et al., ECCV workshops",
        year=2022,
        source="own",
        norm="layer",
        takes=("channels", "dropout"),
        published={
            2: Published(
                parameters=27_168_900,
                where="layers of the authors' code",
                label_count=9,
                crop_size=(224, 224),
            )
        },
    ),
    "medt": Network(
        builder="medt.build",
        dims=(2,),
        title="Medical Transformer (MedT)",
        paper="Valanarasu et al., MICCAI",
        year=2021,
        source="own",
        takes=("norm",),
        published={
            2: Published(
                parameters=1_524_570,
                where="layers of the authors' code, 1,560,140, less convolutions it never calls, 35,570",
                crop_size=(128, 128),
            )
        },
    ),
    "pranet": Network(
        builder="pranet.build",
        dims=(2,),
        title="PraNet",
        paper="Fan et al., MICCAI",
        year=2020,
        source="own",
        takes=("norm", "encoder"),
        encoder="res2net50_26w_4s",
        published={
            2: Published(
                parameters=30_498_319,
                where="layers of the authors' code, 32.55 M, less a classifier it never calls, 2.05 M",
            )
        },
        note="deep supervision",
    ),
    "caranet": Network(
        builder="caranet.build",
        dims=(2,),
        title="CaraNet",
        paper="Lou et al., SPIE Medical Imaging",
        year=2022,
        source="own",
        takes=("norm", "encoder"),
        encoder="res2net50_26w_4s",
        published={
            2: Published(
                parameters=44_593_560,
                where="layers of the authors' code, 46,642,560, less a classifier it never calls, 2.05 M",
                encoder="res2net101d",
            )
        },
        note="deep supervision",
    ),
    "infnet": Network(
        builder="infnet.build",
        dims=(2,),
        title="Inf-Net",
        paper="Fan et al., IEEE TMI",
        year=2020,
        source="own",
        takes=("norm", "encoder"),
        encoder="res2net50_26w_4s",
        published={
            2: Published(
                parameters=31_072_721,
                where="layers of the authors' code, 33.12 M as in the paper, less a classifier it never calls, 2.05 M",
            )
        },
        note="deep supervision, and of edges",
    ),
}
