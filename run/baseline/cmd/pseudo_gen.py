"""`cmd/pseudo-gen`: pseudo-labels predicted, handed out, corrected by people, merged, trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.shapes import format_labels, format_numbers, parse_labels, parse_spacing
from mos.stored_options import Precision, need_runs

DESCRIPTION = (
    "Label cases with the best model by validation dice, let people correct them in ITK-SNAP or 3D Slicer, and "
    "train on the result: generate -> hand_out -> take_back -> merge -> retrain, and generate again with the "
    "better model. On a terminal it leads through the steps; for scripts each is --step <name>. Every step "
    "goes on where it stopped. Original labels are never changed, and cases with pseudo-labels never enter "
    "validation or test."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to label, who predicts, and which step to do."""

    step: Literal["", "generate", "hand_out", "take_back", "merge", "retrain", "status"] = option(
        "", "the step to do; empty: ask, on a terminal"
    )
    pseudo_dataset: str = option(
        "", "dataset file whose cases get labels, such as phantom-pseudo", group="What to label"
    )
    pseudo_dataset_key: str = option(
        "", "its tensor: crop3d, train3d (auxiliary and main files); empty: crop3d"
    )
    input: tuple[str, ...] = option(
        (), "or images without labels: files, quoted patterns, DICOM folders, folders of these"
    )
    patient: str = option(
        "", "regular expression that finds the patient in an image's name: '(p\\d+)'"
    )
    allow_gaps: bool = option(False, "fill missing DICOM slices by interpolation")
    dataset_spacing: tuple[float, ...] | None = option(
        None,
        "d,h,w in mm, for a dataset file that does not say it",
        parse=parse_spacing,
        format=format_numbers,
    )
    pseudo_output: str = option(
        "", "work folder; empty: .checkpoint/pseudo/<pseudo_dataset>, or the only one there"
    )
    pseudo_output_labels: tuple[int, ...] = option(
        (),
        "ids to predict; empty: those the teacher learnt and the dataset does not annotate",
        parse=parse_labels,
        format=format_labels,
    )

    setting: tuple[str, ...] = option(
        (),
        "main datasets among whose runs the teacher is found; empty: those of the round before",
        group="Who predicts (generate)",
    )
    run: tuple[str, ...] = option((), "or run folders to choose from (quote them)")
    pseudo_threshold: float = option(0.74, "least validation dice of a teacher, 0-1")
    ensemble: int = option(
        1, "so many runs predict together: probabilities averaged, weighted by validation dice"
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:1")
    precision: Precision = option("auto", "auto: as the teacher was trained")
    threads: int = option(0, "CPU threads; 0: all cores")

    batch: int = option(5, "new cases of a batch", group="Correcting (hand_out, take_back)")
    recheck: int = option(
        2, "earlier cases of a batch, to see what a later teacher has learned; 0: none"
    )
    order: Literal["least_confident", "most_confident", "source", "random"] = option(
        "least_confident", "which cases first"
    )
    another: bool = option(False, "hand out one more batch while one is still out")
    corrected: str = option("", "folder of corrected labels; empty: the batches' own folders")
    accept_unchanged: bool = option(False, "files nobody has changed are right as they are")

    include_predicted: bool = option(
        False, "merge cases that nobody has corrected too", group="Training on it (merge, retrain)"
    )
    output_dataset: str = option("", "name of the merged dataset; empty: <work>-corrected")
    yes: bool = option(False, "ask nothing; retrain trains at once")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading images."""
        if not 0 <= self.pseudo_threshold <= 1:
            raise BadInput(
                f"--pseudo_threshold {self.pseudo_threshold:g}: needs a dice of 0 to 1, such as 0.74"
            )
        for name, least in (("ensemble", 1), ("batch", 1), ("recheck", 0), ("threads", 0)):
            if getattr(self, name) < least:
                raise BadInput(f"--{name} {getattr(self, name)}: needs {least} or more")
        if self.pseudo_dataset_key in ("valid3d", "test3d"):
            raise BadInput(
                f"--pseudo_dataset_key {self.pseudo_dataset_key}: validation and test cases get no "
                "pseudo-labels, since what a network wrote must never be scored against; give crop3d or train3d"
            )
        need_runs(self.run, "baseline", example="unet-2d-none")
        if self.corrected and not Path(self.corrected).is_dir():
            raise BadInput(f"--corrected {self.corrected}: no such folder")


def main(argv: Sequence[str] | None = None) -> None:
    """Does the step that the options name, or leads through them."""
    resolved = parse(
        Options, argv, prog=".scripts/baseline/cmd/pseudo-gen", description=DESCRIPTION
    )
    from run.baseline.pseudo.steps import run_steps, terminal

    run_steps(resolved.options, terminal())


if __name__ == "__main__":
    run_main(main)
