"""`cmd/summary-image`: collages that compare runs on the same cases and slices."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.stored_options import parse_epoch
from run.baseline.figure_arguments import FigureArguments

DESCRIPTION = (
    "Draws collages that compare runs. One figure with rows of cases and columns of image, reference and runs; or "
    "with --grid 2x8 a figure of each case, where the runs fill two rows of eight. Every picture is of the same "
    "case, slice and frame, and carries the score of the whole case. Cases are chosen by rules from the scores of "
    "the best epochs (by validation); folds of a dataset are looked through for the one that tested a case. "
    "Predictions that are not stored yet are made for the chosen cases. A run that is missing leaves a labelled gap."
)


def parse_grid(text: str) -> tuple[int, int] | None:
    """Reads `2x8` as (rows, columns); empty: None."""
    match = re.fullmatch(r"([1-9]\d{0,2})x([1-9]\d{0,2})", text)
    if text and not match:
        raise BadInput(f"--grid {text}: needs rows x columns such as 4x4 or 2x8")
    return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True, kw_only=True)
class Options(FigureArguments):
    """Which runs and cases, and what is drawn of them."""

    run: tuple[str, ...] = option(
        (),
        "run names such as unet-2d-none, or run folders, in the order of the figure; none: all runs",
    )
    setting: str = option(
        "", "dataset: acdc-0, or acdc for its folds; empty: the only one there is"
    )
    titles: tuple[str, ...] = option((), "headings for --run, one for each; none: the runs' names")
    cases: tuple[str, ...] = option(
        ("best", "median", "worst", "disagreement"),
        "best, median, worst, disagreement (largest between runs), worst:3 for three, all, or case ids",
    )
    slice: str = option(
        "largest",
        "largest (reference), middle, error (most wrong voxels over the runs), disagreement (of the runs), "
        "spread:3 (evenly over the reference), or a number from 1",
    )
    metric: tuple[str, ...] = option(
        ("dice",), "scores to write, such as dice hd; the first chooses the cases. none: no scores"
    )
    score_label: str = option(
        "", "id or name of the label whose score is written; empty: the mean over the labels"
    )
    percent: bool = option(False, "dice and other shares as 91.2 instead of 0.912")
    show: Literal["error", "prediction", "labels"] = option(
        "error",
        "error map over the image, prediction over the image, or the predicted labels alone",
    )
    zoom: float = option(
        0.25, "margin around the reference, as a part of its size; -1: the whole slice"
    )
    reference: bool = option(True, "with image and reference in front of the runs")
    grid: tuple[int, int] | None = option(
        None, "rows x columns of runs, such as 2x8: a figure for each case; empty: one for all",
        parse=parse_grid, format=lambda shape: f"{shape[0]}x{shape[1]}" if shape else "",
    )  # fmt: skip
    width_mm: float = option(170.0, "width of the figure on paper")
    name: str = option("", "file name of the figure; empty: comparison")
    output_folder: str = option("", "where to write; empty: summary/images in .checkpoint")
    predict: bool = option(True, "false: draw only what plot-test has stored")
    epoch: str = option(
        "best", "best (by validation), latest, or the number of a stored epoch", parse=parse_epoch
    )

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        from mos.metrics.table import KEYS

        super().check()
        wrong = [key for key in self.metric if key not in (*KEYS, "none")]
        if wrong:
            raise BadInput(f"--metric {wrong[0]}: needs any of {' '.join(KEYS)}, or none")
        if self.titles and len(self.titles) != len(self.run):
            raise BadInput(
                f"--titles: {len(self.titles)} headings for {len(self.run)} runs; give one for each --run"
            )
        if self.grid and self.run and len(self.run) > self.grid[0] * self.grid[1]:
            raise BadInput(
                f"--grid {self.grid[0]}x{self.grid[1]}: holds {self.grid[0] * self.grid[1]} runs, --run names "
                f"{len(self.run)}; give a larger grid"
            )
        if not 20 <= self.width_mm <= 2000:
            raise BadInput(f"--width_mm {self.width_mm:g}: needs 20 to 2000")
        if not (self.zoom == -1 or 0 <= self.zoom <= 10):
            raise BadInput(f"--zoom {self.zoom:g}: needs 0 to 10, or -1 for the whole slice")
        if self.name and not re.fullmatch(r"[\w+=,\[\]-][\w.+=,\[\]-]*", self.name):
            raise BadInput(f"--name {self.name}: needs a plain file name without an ending")


def main(argv: Sequence[str] | None = None) -> None:
    """Draws what the options name."""
    options = parse(
        Options, argv, prog=".scripts/baseline/cmd/summary-image", description=DESCRIPTION
    ).options
    from run.baseline.collages import draw_collages

    draw_collages(options)


if __name__ == "__main__":
    run_main(main)
