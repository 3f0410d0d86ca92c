"""`cmd/predict`: segments images that have no labels with a stored run."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.arguments import REQUIRED, option, parse
from mos.errors import run_main
from mos.stored_options import Precision, need_runs, parse_epoch

DESCRIPTION = (
    "Segment images that have no labels with a run's best epoch, or the mean of several runs. Each image is prepared as the run's dataset "
    "was, and the result is written as NIfTI in the image's own grid. Its ids are those stored in the dataset "
    "(after cmd/build --label_map); predict.json beside the results names them, and says for each result by "
    "which weights and settings it was made. Results made alike before are kept; others are refused without "
    "--overwrite. An image that cannot be used ends the command with a message that names it; those before are "
    "kept, and the same command goes on."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to segment, with what, and where to write it."""

    run: tuple[str, ...] = option(
        REQUIRED,
        "run folder, such as '.checkpoint/baseline-phantom-0/unet-2d-none' (quote it); several, such as the "
        "folds of a dataset or other networks trained on it: the mean of their probabilities",
    )
    input: tuple[str, ...] = option(
        REQUIRED,
        "image files, patterns in quotes, DICOM folders (one series each), or folders of these; for a run "
        "with several channels X_0000.nii.gz, X_0001.nii.gz, ... are one image X",
    )
    output: str = option(REQUIRED, "folder for <image name>.nii.gz and predict.json")
    epoch: str = option(
        "best",
        "best (by validation), latest, or the number of a stored epoch; of every run",
        parse=parse_epoch,
    )
    flips: bool = option(
        False, "average over flips of the axes that training flipped (--image_flip_axes of the run)"
    )
    allow_gaps: bool = option(
        False, "fill missing DICOM slices by interpolation instead of refusing the series"
    )
    overwrite: bool = option(
        False,
        "segment again what is in --output already; where that was interrupted, go on without it",
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:1")
    precision: Precision = option(
        "auto",
        "auto: as the run was trained, or fp32 where this device cannot",
    )
    threads: int = option(0, "CPU threads; 0: all cores")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading images."""
        need_runs(self.run, "baseline", example="unet-2d-none")


def main(argv: Sequence[str] | None = None) -> None:
    """Segments what the options name."""
    resolved = parse(Options, argv, prog=".scripts/baseline/cmd/predict", description=DESCRIPTION)
    from run.baseline.predicting import predict

    predict(resolved.options)


if __name__ == "__main__":
    run_main(main)
