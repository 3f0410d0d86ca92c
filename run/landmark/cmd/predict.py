"""Command: the points of new pictures, with a stored run or the mean of several, as JSON or CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.option_values import REQUIRED
from mos.shapes import format_numbers
from mos.stored_options import Precision, parse_epoch
from run.landmark.model_arguments import parse_scales

DESCRIPTION = (
    "Finds the points of a stack of pictures or of image files, which need no reference points, by the run's own "
    "preparation and decoding. The output is written whole at the end, or not at all."
)


def parse_more_scales(text: str) -> tuple[float, ...]:
    """Reads `0.9,1,1.1`; empty text is (): as the run says."""
    return parse_scales(text) if text.strip() else ()


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to look at, with what, and where to write it."""

    run: tuple[str, ...] = option(
        REQUIRED,
        "run folder, such as '.checkpoint/landmark-phantom-0/unet-512'; several, such as the folds of a dataset: "
        "the mean of their heatmaps",
    )
    input: tuple[str, ...] = option(
        REQUIRED,
        "a stack (n, h, w, 3) .mha; or pictures (PNG, JPEG, BMP, TIFF, DICOM), patterns in quotes, folders",
    )
    output: str = option(REQUIRED, "the file to write, <name>.json or <name>.csv")
    format: Literal["auto", "json", "csv"] = option(
        "auto",
        "json: the challenge's, points as [x, y, image number from 1]; csv: file, p1x, p1y, ...; auto: by the name",
    )
    names: bool = option(False, "json: the run's names of points instead of 1, 2, ...")
    epoch: str = option(
        "best",
        "best (by validation), latest, or the number of a stored epoch; of every run",
        parse=parse_epoch,
    )
    flips: bool = option(
        False, "average over the picture and its mirror image; for runs trained with --image_flip"
    )
    scales: tuple[float, ...] = option(
        "",
        "average over the picture in these sizes, such as 0.9,1,1.1; none: as the run was scored",
        parse=parse_more_scales,
        format=format_numbers,
    )
    exif: Literal["refuse", "apply", "ignore"] = option(
        "refuse", "pictures that say they must be turned for viewing (EXIF), as in cmd/build"
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:1")
    precision: Precision = option(
        "auto", "auto: as the run was trained, or fp32 where this device cannot"
    )
    threads: int = option(0, "CPU threads; 0: all cores")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if self.threads < 0:
            raise BadInput(f"--threads {self.threads}: needs 0 or more")


def main(argv: Sequence[str] | None = None) -> None:
    """Finds what the options name."""
    resolved = parse(Options, argv, prog=".scripts/landmark/cmd/predict", description=DESCRIPTION)
    from run.landmark.predicting import predict

    predict(resolved.options)


if __name__ == "__main__":
    run_main(main)
