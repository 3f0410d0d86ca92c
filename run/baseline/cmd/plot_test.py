"""`cmd/plot-test`: pictures of the test cases of stored runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.stored_options import RunsOptions, parse_epoch
from run.baseline.figure_arguments import FigureArguments

DESCRIPTION = (
    "Draws the test cases of stored runs, of the best epoch by validation. Predictions are made once, by the path "
    "that is scored, and kept in <run>/epoch-NNNN/test-images/<case>.npz; each is held against the voxel counts of "
    "the stored scores. Then test-figures/ beside them gets cases/<case>.png (rows slices, columns image, "
    "reference, prediction, both over the image, error map) and sheets of many cases (rows slices, columns "
    "cases), one for each of these parts. Voxels have their true proportions. The same command again goes on "
    "where it stopped, and draws anew without predicting anew."
)


@dataclass(frozen=True, kw_only=True)
class Options(FigureArguments, RunsOptions):
    """Which runs, which cases, and what is drawn of them."""

    epoch: str = option(
        "best", "best (by validation), latest, or the number of a stored epoch", parse=parse_epoch
    )
    cases: tuple[str, ...] = option((), "ids of test cases; none: all")
    slices: int = option(8, "slices of a case, evenly over the target; 0: all there are")
    sheet_cases: int = option(10, "cases on a sheet; more make several sheets")
    tile_mm: float = option(25.0, "width of a picture on paper")
    figures: bool = option(True, "false: only store the predictions, for the report")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        super().check()
        if self.slices < 0:
            raise BadInput(f"--slices {self.slices}: needs 0 (all) or more")
        if self.sheet_cases < 1:
            raise BadInput(f"--sheet_cases {self.sheet_cases}: needs 1 or more")
        if not 5 <= self.tile_mm <= 300:
            raise BadInput(f"--tile_mm {self.tile_mm:g}: needs 5 to 300")


def main(argv: Sequence[str] | None = None) -> None:
    """Draws what the options name."""
    plot(
        parse(
            Options, argv, prog=".scripts/baseline/cmd/plot-test", description=DESCRIPTION
        ).options
    )


def plot(options: Options) -> None:
    """Does it and prints what was done.

    Raises:
        BadInput: runs that were named and cannot be drawn, after all others are done.
    """
    from run.baseline.plotting_runs import plot_runs

    problems = plot_runs(options)
    if problems:
        raise BadInput("\n".join(problems))


if __name__ == "__main__":
    run_main(main)
