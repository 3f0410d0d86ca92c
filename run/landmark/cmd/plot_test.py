"""`cmd/plot-test`: pictures of the test cases of stored landmark runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.stored_options import RunsOptions, parse_epoch

FORMATS = ("png", "pdf", "svg")
DESCRIPTION = (
    "Draws the test cases of stored runs, of the best epoch by validation, with the points that were predicted when "
    "it was scored. test-images/<case>.npz beside the epoch keeps image and points, which cmd/summary shows; "
    "test-figures/ gets cases/<case>.png (the image; reference +, prediction ×, a line between them, the error in "
    "mm) and sheet-points.png with all cases. Pixels have their true proportions. No network runs."
)


@dataclass(frozen=True, kw_only=True)
class Options(RunsOptions):
    """Which runs, which cases, and what is drawn of them."""

    epoch: str = option(
        "best", "best (by validation), latest, or the number of an epoch", parse=parse_epoch
    )
    cases: tuple[str, ...] = option((), "ids of test cases; none: all")
    names: bool = option(False, "write the names of the points beside their errors")
    colours: Literal["classic", "safe"] = option(
        "classic",
        "classic: reference red, prediction green, link yellow; safe: orange, blue, white, for colour-blind people",
    )
    channel: int = option(0, "image channel to show, from 0")
    case_mm: float = option(85.0, "width of a picture of a case's figure on paper")
    sheet_mm: float = option(32.0, "width of a picture of a sheet")
    sheet_columns: int = option(5, "pictures in a row of a sheet")
    sheet_cases: int = option(20, "cases on a sheet; more make several sheets")
    dpi: int = option(200, "pixels per inch of PNG, and of pictures in PDF and SVG")
    formats: tuple[str, ...] = option(("png",), "any of png pdf svg")
    figures: bool = option(True, "false: only store images and points, for the report")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if self.channel < 0:
            raise BadInput(f"--channel {self.channel}: needs 0 or more")
        for name in ("case_mm", "sheet_mm"):
            if not 5 <= getattr(self, name) <= 300:
                raise BadInput(f"--{name} {getattr(self, name):g}: needs 5 to 300")
        for name in ("sheet_columns", "sheet_cases"):
            if getattr(self, name) < 1:
                raise BadInput(f"--{name} {getattr(self, name)}: needs 1 or more")
        if not 20 <= self.dpi <= 1200:
            raise BadInput(f"--dpi {self.dpi}: needs 20 to 1200")
        wrong = [name for name in self.formats if name not in FORMATS]
        if wrong or not self.formats:
            raise BadInput(f"--formats {' '.join(self.formats)}: needs any of {' '.join(FORMATS)}")


def main(argv: Sequence[str] | None = None) -> None:
    """Draws what the options name."""
    plot(
        parse(
            Options, argv, prog=".scripts/landmark/cmd/plot-test", description=DESCRIPTION
        ).options
    )


def plot(options: Options) -> None:
    """Does it and prints what was done.

    Raises:
        BadInput: runs that were named and cannot be drawn, after all others are done.
    """
    from run.landmark.plotting import plot_runs

    problems = plot_runs(options)
    if problems:
        raise BadInput("\n".join(problems))


if __name__ == "__main__":
    run_main(main)
