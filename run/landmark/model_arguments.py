"""The options of a landmark run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mos.arguments import option
from mos.errors import BadInput
from mos.folders import setting_folder
from mos.networks.landmark_table import LANDMARK_NETWORKS, STRIDES
from mos.networks.plan import parse_channels
from mos.networks.wishes import refuse_unheeded
from mos.shapes import format_numbers
from run.landmark.data_arguments import DataArguments

TASK = "landmark"


def parse_scales(text: str) -> tuple[float, ...]:
    """Reads `0.9,1,1.1` as sizes to predict in; empty text is (1,)."""
    try:
        scales = tuple(float(part) for part in text.split(",")) if text.strip() else (1.0,)
    except ValueError:
        scales = (0.0,)
    if not all(0.25 <= scale <= 4 for scale in scales) or len(set(scales)) < len(scales):
        raise BadInput(
            f"scales {text!r}: needs different numbers from 0.25 to 4, such as 0.9,1,1.1"
        )
    return scales


@dataclass(frozen=True, kw_only=True)
class ModelArguments(DataArguments):
    """Data, network, heatmaps and evaluation of a landmark run."""

    model: Literal[tuple(LANDMARK_NETWORKS)] = option("unet", "network", group="Model")
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
        "encoder of hrnet (hrnet_w18_small, hrnet_w32, ...) and fpn (any convolutional one of timm); none: the "
        "network's own",
    )
    encoder_weights: Path | None = option(
        None, "pretrained weights of the encoder, a local .safetensors, .pth or .pt of timm"
    )
    heatmap_stride: int = option(
        2, "image pixels per heatmap pixel: 1, 2 or 4; larger is faster, and decoding is sub-pixel"
    )
    heatmap_sigma: float = option(
        4.0, "standard deviation of a point's Gaussian, in pixels of the image"
    )
    heatmap_loss: Literal["cross_entropy", "squared_error", "focal", "adaptive_wing"] = option(
        "cross_entropy",
        "cross_entropy of a softmax over all pixels against the Gaussian, weighted squared_error, focal, "
        "adaptive_wing",
    )
    decoding: Literal["centroid", "taylor", "argmax"] = option(
        "centroid",
        "from a heatmap to a point: centre of mass around the peak, one Newton step from it, or the pixel",
    )
    decoding_radius: float = option(
        0.0, "centroid: pixels of the image around the peak; 0: three --heatmap_sigma"
    )
    valid_flips: bool = option(
        False, "average the heatmaps over the image and its mirror image; needs --image_flip"
    )
    valid_scales: tuple[float, ...] = option(
        (1.0,),
        "average the heatmaps over the image in these sizes, such as 0.9,1,1.1 (slower)",
        parse=parse_scales,
        format=format_numbers,
    )

    @property
    def norm(self) -> str:
        """The norm that `auto` stands for. Batch statistics of fewer than four samples are noise."""
        if self.model_norm != "auto":
            return self.model_norm
        return "batch" if self.batch_size >= 4 else "instance"

    @property
    def radius(self) -> int:
        """Heatmap pixels around the peak that `centroid` looks at."""
        wanted = self.decoding_radius or 3 * self.heatmap_sigma
        return max(1, round(wanted / self.heatmap_stride))

    @property
    def run_name(self) -> str:
        """The run's folder name, `<network>[<tag>]-<size><postfix>`."""
        tag = f"[{self.tag}]" if self.tag else ""
        return f"{self.model}{tag}-{self.image_side}{self.dir_postfix}"

    @property
    def folder(self) -> Path:
        """The run's folder, `.checkpoint/landmark-<setting>/<run name>`."""
        return setting_folder(TASK, self.train_dataset) / self.run_name

    def check(self) -> None:
        """Checks what can be checked without data.

        Raises:
            BadInput: names the option, the value and the range.
        """
        super().check()
        if self.dir_postfix[:1].isdecimal():
            raise BadInput(
                f"--dir_postfix {self.dir_postfix}: would make another number of the size in the run's name; "
                f"give '[{self.dir_postfix}]'"
            )
        refuse_unheeded(self, LANDMARK_NETWORKS)
        if not 0 <= self.model_dropout < 1:
            raise BadInput(f"--model_dropout {self.model_dropout}: needs 0 to below 1")
        if self.heatmap_stride not in STRIDES:
            raise BadInput(
                f"--heatmap_stride {self.heatmap_stride}: needs {', '.join(map(str, STRIDES))}"
            )
        least = self.heatmap_stride / 2
        if not least <= self.heatmap_sigma <= self.image_side:
            raise BadInput(
                f"--heatmap_sigma {self.heatmap_sigma:g}: a Gaussian narrower than half a heatmap pixel has no shape; "
                f"needs {least:g} pixels or more with --heatmap_stride {self.heatmap_stride}"
            )
        if not 0 <= self.decoding_radius <= self.image_side:
            raise BadInput(f"--decoding_radius {self.decoding_radius:g}: needs pixels, or 0")
        if self.valid_flips and not self.image_flip:
            raise BadInput(
                "--valid_flips: a network that never saw a mirrored image answers it by chance; train with "
                "--image_flip too, or leave it out"
            )
