"""The options of a segmentation run."""

from dataclasses import dataclass
from typing import Literal

from mos.arguments import option
from mos.errors import BadInput
from mos.folders import run_name
from mos.metrics.tolerance import parse_tolerances
from mos.networks.table import NETWORKS
from mos.options import TrainingOptions
from mos.shapes import format_labels, format_numbers, parse_labels, parse_sizes, parse_spacing

TASK = "baseline"


def parse_channels(text: str) -> tuple[int, ...]:
    """Reads `32,64,128` as features per level of a network, finest first."""
    try:
        channels = tuple(int(part) for part in text.split(","))
    except ValueError:
        channels = ()
    if len(channels) < 3 or min(channels) < 1:
        raise BadInput(
            f"channels {text!r}: needs three or more positive numbers such as 32,64,128,256"
        )
    return channels


@dataclass(frozen=True, kw_only=True)
class ModelArguments(TrainingOptions):
    """Data, model and evaluation of a segmentation run."""

    # Data
    train_dataset: str = option(
        "phantom-0",
        "main dataset: .cache/dataset/baseline/baseline-<name>.pt",
        env="SETTING",
        group="Data",
    )
    aux_dataset: str = option(
        "none", "auxiliary datasets, joined by commas; none: the main set alone"
    )
    label_count: int = option(0, "number of label ids, background included; 0: as the file says")
    dataset_train_labels: tuple[int, ...] = option(
        (),
        "ids to learn, such as 1,3-5,8; empty: all the file annotates",
        parse=parse_labels,
        format=format_labels,
    )
    dataset_eval_labels: tuple[int, ...] = option(
        (), "ids to score; empty: those learnt", parse=parse_labels, format=format_labels
    )
    dataset_image_size: tuple[int, ...] | None = option(
        None,
        "h,w the file must have, as a check; none: whatever it has",
        parse=parse_sizes,
        format=format_numbers,
    )
    dataset_crop_size: tuple[int, ...] = option(
        (128, 128),
        "training window in voxels; h,w trains in 2-D, d,h,w in 3-D",
        parse=parse_sizes,
        format=format_numbers,
    )
    dataset_crop_deep_maxscale: int = option(
        1, "3-D: largest stride between kept slices; 1: contiguous"
    )
    dataset_valid_crop_size: tuple[int, ...] = option(
        (16, 128, 128),
        "d,h,w of the window that slides over whole volumes at evaluation; 2-D uses its h,w",
        parse=parse_sizes,
        format=format_numbers,
    )
    dataset_valid_crop_overlap: float = option(0.25, "share by which neighbouring windows overlap")
    dataset_spacing: tuple[float, ...] | None = option(
        None,
        "d,h,w in mm for distances; none: as the file says, per case",
        parse=parse_spacing,
        format=format_numbers,
    )
    dataset_device: str = option(
        "auto", "where the voxels live: cpu, cuda; auto: the GPU when they fit, else mapped"
    )
    image_enhance_level: int = option(
        3, "0 centre crop, 1 random crop, 2 and flips, rotation, scaling, 3 and intensity"
    )
    image_flip_axes: str = option(
        "hw",
        "axes that levels 2 and 3 may mirror, letters out of d, h, w; w alone where up is not down",
    )

    # Model
    model: Literal[tuple(NETWORKS)] = option("unet", "network", group="Model")
    model_dims: int = option(
        0, "2 or 3: refuse a crop size of another dimension, as launchers do; 0: whatever it has"
    )
    model_channels: tuple[int, ...] = option(
        (32, 64, 128, 256),
        "features per level, finest first",
        parse=parse_channels,
        format=format_numbers,
    )
    model_norm: Literal["auto", "batch", "instance", "group"] = option(
        "auto", "auto: batch from 4 samples a step on, else instance, which trains at BS=1 too"
    )
    model_dropout: float = option(0.0, "dropout probability inside the network")
    valid_flips: bool = option(
        False, "average the prediction over flips of --image_flip_axes (slower, often better)"
    )
    nsd_tolerance: str = option(
        "2", "mm by which outlines may differ in nsd; 2,3:1.5 is 1.5 mm for label 3, 2 for the others"
    )

    @property
    def dims(self) -> int:
        """2 or 3: the count of numbers in the crop size."""
        return len(self.dataset_crop_size)

    @property
    def norm(self) -> str:
        """The norm that `auto` stands for. Batch statistics of fewer than four samples are noise."""
        if self.model_norm != "auto":
            return self.model_norm
        return "batch" if self.batch_size >= 4 else "instance"

    @property
    def run_name(self) -> str:
        """The run's folder name, `<network>[<tag>]-<2d|3d>-<aux><postfix>`."""
        return run_name(self.model, self.tag, self.dims, self.aux_dataset, self.dir_postfix)

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
                f"the launcher {self.model}-{self.dims}d-{self.aux_dataset}"
            )
        if self.dims not in NETWORKS[self.model].dims:
            raise BadInput(
                f"--model {self.model}: has no {self.dims}-D form; see --dataset_crop_size"
            )
        if 0 in self.dataset_crop_size or 0 in self.dataset_valid_crop_size:
            raise BadInput(
                "--dataset_crop_size and --dataset_valid_crop_size need positive numbers"
            )
        if len(self.dataset_valid_crop_size) != 3:
            raise BadInput("--dataset_valid_crop_size: evaluation covers volumes, give d,h,w")
        if self.dataset_spacing and 0 in self.dataset_spacing:
            raise BadInput(
                f"--dataset_spacing {format_numbers(self.dataset_spacing)}: needs three sizes in mm above 0, such as "
                "10,1.5,1.5; leave the option out where the file says its spacing"
            )
        if not 0 <= self.dataset_valid_crop_overlap < 1:
            raise BadInput(
                f"--dataset_valid_crop_overlap {self.dataset_valid_crop_overlap}: needs 0 to below 1"
            )
        if not 0 <= self.model_dropout < 1:
            raise BadInput(f"--model_dropout {self.model_dropout}: needs 0 to below 1")
        parse_tolerances(self.nsd_tolerance)
        if not 0 <= self.image_enhance_level <= 3:
            raise BadInput(f"--image_enhance_level {self.image_enhance_level}: needs 0, 1, 2 or 3")
        if not set(self.image_flip_axes) <= set("dhw"):
            raise BadInput(
                f"--image_flip_axes {self.image_flip_axes}: needs letters out of d, h, w"
            )
        if self.dataset_crop_deep_maxscale < 1:
            raise BadInput(
                f"--dataset_crop_deep_maxscale {self.dataset_crop_deep_maxscale}: needs 1 or more"
            )
        if self.label_count == 1 or not 0 <= self.label_count <= 256:
            raise BadInput(
                f"--label_count {self.label_count}: needs 2 to 256, or 0 for what the file says"
            )
        if self.aux_dataset != "none":
            raise BadInput(
                f"--aux_dataset {self.aux_dataset}: training on several datasets is not built yet; use none"
            )
