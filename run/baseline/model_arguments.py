"""The options of a segmentation run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mos.arguments import option
from mos.errors import BadInput
from mos.folders import run_name, setting_folder
from mos.metrics.tolerance import parse_tolerances
from mos.networks.plan import parse_channels
from mos.networks.table import NETWORKS
from mos.networks.wishes import refuse_unheeded
from mos.shapes import format_numbers
from run.baseline.data_arguments import DataArguments

TASK = "baseline"


@dataclass(frozen=True, kw_only=True)
class ModelArguments(DataArguments):
    """Data, model and evaluation of a segmentation run."""

    model: Literal[tuple(NETWORKS)] = option("unet", "network", group="Model")
    model_dims: int = option(
        0, "2 or 3: refuse a crop size of another dimension, as launchers do; 0: whatever it has"
    )
    model_channels: tuple[int, ...] | None = option(
        None,
        "features per level, finest first, such as 32,64,128,256; none: the network's own",
        parse=parse_channels,
        format=format_numbers,
    )
    model_norm: Literal["auto", "batch", "instance", "group"] = option(
        "auto", "auto: batch from 4 samples a step on, else instance, which trains at BS=1 too"
    )
    model_dropout: float = option(0.0, "dropout probability inside the network")
    encoder: str | None = option(
        None,
        "encoder of a network that takes one: a timm or smp name such as resnet50; none: the network's own",
    )
    encoder_weights: Path | None = option(
        None,
        "pretrained weights of the encoder, a local .safetensors, .pth or .pt of timm, torchvision or smp; "
        "what to download is said where the file is not there",
    )
    valid_flips: bool = option(
        False, "average the prediction over flips of --image_flip_axes (slower, often better)"
    )
    nsd_tolerance: str = option(
        "2",
        "mm by which outlines may differ in nsd; 2,3:1.5 is 1.5 mm for label 3, 2 for the others",
    )

    @property
    def norm(self) -> str:
        """The norm that `auto` stands for. Batch statistics of fewer than four samples are noise."""
        if "norm" not in NETWORKS[self.model].takes:
            return NETWORKS[self.model].norm
        if self.model_norm != "auto":
            return self.model_norm
        return "batch" if self.batch_size >= 4 else "instance"

    @property
    def run_name(self) -> str:
        """The run's folder name, `<network>[<tag>]-<2d|3d>-<aux><postfix>`."""
        return run_name(self.model, self.tag, self.dims, self.aux_folder_name, self.dir_postfix)

    @property
    def folder(self) -> Path:
        """The run's folder, `.checkpoint/baseline-<setting>/<run name>`."""
        return setting_folder(TASK, self.train_dataset) / self.run_name

    def check(self) -> None:
        """Checks what can be checked without data.

        Raises:
            BadInput: names the option, the value and the range.
        """
        super().check()
        if self.model_dims not in (0, self.dims):
            raise BadInput(
                f"--dataset_crop_size {format_numbers(self.dataset_crop_size)}: is {self.dims}-D, but this run is "
                f"{self.model_dims}-D (--model_dims); give {'h,w' if self.model_dims == 2 else 'd,h,w'}, or use "
                f"the launcher {self.model}-{self.dims}d-{self.aux_folder_name}"
            )
        if self.dims not in NETWORKS[self.model].dims:
            raise BadInput(
                f"--model {self.model}: has no {self.dims}-D form; see --dataset_crop_size"
            )
        refuse_unheeded(self, NETWORKS)
        if not 0 <= self.model_dropout < 1:
            raise BadInput(f"--model_dropout {self.model_dropout}: needs 0 to below 1")
        parse_tolerances(self.nsd_tolerance)
