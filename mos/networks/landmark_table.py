"""The table of networks for landmarks: a name on a launcher is a line here and a file `heatmap_<name>.py`."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from mos.networks.table import Wish

if TYPE_CHECKING:
    from torch import nn

    from mos.networks.plan import Plan

STRIDES = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class LandmarkNetwork:
    """One network: where it is built, what it is, and what of a user's wishes it heeds."""

    builder: str  # "heatmap_unet.build": `build(plan: Plan, stride: int)` of that file
    title: str
    paper: str
    year: int
    source: Literal["own", "MONAI", "timm"]  # whose code it is
    takes: tuple[Wish, ...]
    encoder: str | None = None  # the one it has where none is asked for

    def build(self, plan: "Plan", stride: int) -> "nn.Module":
        """The network (bs, in_channels, h, w) -> logits (bs, label_count, ceil(h / stride), ceil(w / stride)).

        Args:
            plan: its `label_count` is the number of points; there is no background.
            stride: image pixels per heatmap pixel, one of STRIDES.

        Raises:
            BadInput: an encoder nobody knows, or one that does not serve.
        """
        module, _, function = self.builder.partition(".")
        # Imported on use: these files import torch at their top, and `--help` lists the names without it.
        return getattr(import_module(f"mos.networks.{module}"), function)(plan, stride)


LANDMARK_NETWORKS: dict[str, LandmarkNetwork] = {
    "unet": LandmarkNetwork(
        builder="heatmap_unet.build",
        title="U-Net",
        paper="Ronneberger et al., MICCAI",
        year=2015,
        source="MONAI",
        takes=("channels", "norm", "dropout"),
    ),
    "hrnet": LandmarkNetwork(
        builder="heatmap_hrnet.build",
        title="HRNet",
        paper="Sun et al., CVPR; Wang et al., TPAMI 2020",
        year=2019,
        source="timm",
        takes=("norm", "dropout", "encoder"),
        encoder="hrnet_w18",
    ),
    "fpn": LandmarkNetwork(
        builder="heatmap_fpn.build",
        title="feature pyramid network",
        paper="Lin et al., CVPR",
        year=2017,
        source="timm",
        takes=("norm", "dropout", "encoder"),
        encoder="resnet18",
    ),
}
