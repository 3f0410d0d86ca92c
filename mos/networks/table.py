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


NETWORKS: dict[str, Network] = {
    "unet": Network(
        builder="unet.build",
        dims=(2, 3),
        title="U-Net",
        paper="Ronneberger et al., MICCAI; 3-D: Çiçek et al., MICCAI 2016",
        year=2015,
        source="MONAI",
        takes=("channels", "norm", "dropout"),
        note="strides and kernels follow the voxel's shape",
    ),
}
