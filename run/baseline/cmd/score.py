"""`cmd/score`: compares segmentations with labels, file by file, and writes CSV by case and by label."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mos.arguments import REQUIRED, option, parse
from mos.errors import BadInput, run_main
from run.baseline.cmd.build import parse_label_map, parse_names

DESCRIPTION = (
    "Compare segmentations with labels on the images' own grids: those of cmd/predict, or of any other program. "
    "Writes scores.csv (one row a case and label), scores-cases.csv (means over the labels of a case) and "
    "scores-labels.csv (means over the cases of a label). A label in neither is not scored; one missed or "
    "invented has dice, iou and recall 0 and fn_rate 1. fp_rate is FP / (FP + TN) over the voxels of the image, "
    "fn_rate is FN / (FN + TP)."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to compare, and where to write it."""

    predictions: str = option(REQUIRED, "folder of segmentations, such as --output of cmd/predict")
    labels: str = option(
        REQUIRED, "quoted glob of label files, paired with the segmentations by name"
    )
    output: str = option("", "folder for the CSV files; empty: beside the segmentations")
    label_map: tuple[tuple[str, int], ...] | None = option(
        None,
        "source:stored ids of the label files, such as 1:3,2:1,*:0; none: as predict.json says",
        parse=parse_label_map,
    )
    label_names: tuple[tuple[int, str], ...] | None = option(
        None,
        "ids to score with names, 1:L5,2:S1; none: as predict.json says, or every id there is",
        parse=parse_names,
    )

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading images."""
        if not Path(self.predictions).is_dir():
            raise BadInput(
                f"--predictions {self.predictions}: no such folder; give the --output of cmd/predict"
            )


def main(argv: Sequence[str] | None = None) -> None:
    """Scores what the options name."""
    resolved = parse(Options, argv, prog=".scripts/baseline/cmd/score", description=DESCRIPTION)
    from run.baseline.score_files import score

    score(resolved.options)


if __name__ == "__main__":
    run_main(main)
