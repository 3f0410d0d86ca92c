"""Makes dataset files from images and labels: five folds and `all`, or one auxiliary file."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.folders import dataset_path
from mos.shapes import parse_sizes, parse_spacing

TASK = "baseline"
DESCRIPTION = "Makes .cache/dataset/baseline/baseline-<name>.pt from images and labels."


def parse_percentiles(text: str) -> tuple[float, float]:
    """Reads `0.5,99.5`."""
    parts = text.split(",")
    if len(parts) != 2:
        raise BadInput("needs two numbers, such as 0.5,99.5")
    return float(parts[0]), float(parts[1])


def parse_label_map(text: str) -> tuple[tuple[str, int], ...]:
    """Reads `1:2,2:1,*:0` as (("1", 2), ("2", 1), ("*", 0)): source id to stored id."""
    mapping: dict[str, int] = {}
    for part in text.split(",") if text else []:
        source, colon, stored = part.strip().partition(":")
        good = colon and (source == "*" or source.isdecimal()) and stored.isdecimal()
        if not good or int(stored) > 255 or (source != "*" and int(source) > 255):
            raise BadInput(f"{part!r} is no pair of ids 0-255, such as 1:2 (or *:0 for all others)")
        source = source if source == "*" else str(int(source))
        if source in mapping:
            raise BadInput(f"source id {source} is there twice")
        mapping[source] = int(stored)
    return tuple(mapping.items())


def parse_names(text: str) -> tuple[tuple[int, str], ...]:
    """Reads `1:anterior,2:posterior` as ((1, "anterior"), (2, "posterior"))."""
    names = {}
    for part in text.split(",") if text else []:
        number, colon, name = part.strip().partition(":")
        if not colon or not number.isdecimal() or not name.strip():
            raise BadInput(f"{part!r} is no id:name, such as 1:anterior")
        names[int(number)] = name.strip()
    return tuple(names.items())


def _pairs(pairs: Sequence[tuple]) -> str:
    return ",".join(f"{key}:{value}" for key, value in pairs)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to build from what."""

    name: str = option(
        "", "name of the set: `heart` makes heart-0 ... heart-4 and heart-all", group="What to make"
    )
    kind: Literal["main", "aux", "zeroshot", "pseudo"] = option(
        "main", "main: five folds and `all`; the others: one file <name>"
    )
    folds: int = option(5, "how many of the five folds to write, from fold 0; 0: only `all`")
    only_fold: int | None = option(None, "write this fold alone")
    split_seed: int = option(0, "another number deals the patients anew")
    overwrite: bool = option(False, "replace files of these names")

    images: tuple[str, ...] = option(
        (),
        "quoted glob of image files or DICOM folders, one glob for each channel: 'data/*_t1.nii.gz'",
        group="Where from (one of --images, --msd, --nnunet)",
    )
    labels: str = option("", "quoted glob of label files, paired with --images by name")
    msd: str = option("", "folder of the Medical Segmentation Decathlon (imagesTr, labelsTr)")
    nnunet: str = option("", "raw dataset folder of nnU-Net (imagesTr/X_0000, labelsTr/X)")
    patient: str = option(
        "", "regular expression that finds the patient in a case id or path: '(patient\\d+)'"
    )
    allow_gaps: bool = option(False, "fill missing DICOM slices by interpolation")

    spacing: tuple[float, ...] | None = option(
        None,
        "mm along d,h,w such as 10,1.5,1.5; 0 keeps an axis as it is; none: median of the set",
        parse=parse_spacing,
        group="Preparation",
    )
    size: tuple[int, ...] = option(
        (0, 0, 0),
        "stored voxels d,h,w, cropped or padded around the centre; 0: as the largest case, in plane "
        "a multiple of 8",
        parse=parse_sizes,
    )
    percentiles: tuple[float, float] = option(
        (0.5, 99.5), "of each image, they become 0 and 255", parse=parse_percentiles
    )
    orientation: str = option(
        "LPS",
        "how volumes are cut into slices: axial, coronal or sagittal; `slices` keeps the acquired ones "
        "(oblique cardiac MR); or three letters, where x, y, z grow to (LPS is axial)",
    )
    interpolation: Literal["bspline", "linear"] = option("bspline", "of images")
    label_map: tuple[tuple[str, int], ...] = option(
        "",
        "source:stored ids such as 1:3,2:4,3:2; *:0 drops all others; empty keeps ids as they are",
        parse=parse_label_map,
        format=_pairs,
    )
    label_names: tuple[tuple[int, str], ...] = option(
        "", "names of stored ids: 1:anterior,2:posterior", parse=parse_names, format=_pairs
    )
    jobs: int = option(0, "processes; 0: one for each core")

    def check(self) -> None:
        """Checks what can be checked without data.

        Raises:
            BadInput: names the option, the value and what is needed.
        """
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise BadInput(f"--name {self.name!r}: give the set a name, such as --name heart")
        given = [flag for flag in ("images", "msd", "nnunet") if getattr(self, flag)]
        if len(given) != 1:
            found = " and ".join(f"--{flag}" for flag in given) or "none"
            raise BadInput(f"give one of --images, --msd and --nnunet; found {found}")
        if len(self.images) > 1 and not any(set("*?[") & set(glob) for glob in self.images):
            raise BadInput(
                f"--images got {len(self.images)} words without * or ?: the shell has filled in the "
                f"pattern. Quote it: --images '{Path(self.images[0]).parent}/*'"
            )
        if self.labels and not self.images:
            raise BadInput(f"--labels belongs to --images; --{given[0]} finds its own")
        if self.images and not self.labels and self.kind != "pseudo":
            raise BadInput(
                f"--kind {self.kind} needs --labels 'glob'; without them only --kind pseudo"
            )
        if len(self.size) != 3:
            raise BadInput(
                f"--size {','.join(map(str, self.size))}: needs d,h,w such as 16,160,160"
            )
        if not 0 <= self.folds <= 5:
            raise BadInput(
                f"--folds {self.folds}: needs 0 to 5 (a tenth of the patients is the unit)"
            )
        if self.only_fold is not None and not 0 <= self.only_fold < 5:
            raise BadInput(f"--only_fold {self.only_fold}: needs 0 to 4")
        if self.jobs < 0:
            raise BadInput(f"--jobs {self.jobs}: needs 0 (all cores) or more")


def main(argv: Sequence[str] | None = None) -> None:
    """Builds the files that the options name."""
    resolved = parse(
        Options,
        argv,
        prog=f".scripts/{TASK}/cmd/build",
        description=DESCRIPTION,
    )
    options: Options = resolved.options
    targets = _targets(options)
    if not options.overwrite:
        for path, _ in targets.values():
            if path.exists():
                raise BadInput(f"{path}: exists already; give --overwrite or another --name")
    from run.baseline import building

    command = [f".scripts/{TASK}/cmd/build", *(sys.argv[1:] if argv is None else argv)]
    building.build(options, targets, command)


def _targets(options: Options) -> dict[str, tuple[Path, int | None]]:
    """File of each set to write, and its fold (None: no split)."""
    if options.kind != "main":
        return {options.name: (dataset_path(TASK, options.name), None)}
    folds: Sequence[int | None] = [*range(options.folds), None]
    if options.only_fold is not None:
        folds = [options.only_fold]
    names = {f"{options.name}-{'all' if fold is None else fold}": fold for fold in folds}
    return {name: (dataset_path(TASK, name), fold) for name, fold in names.items()}


if __name__ == "__main__":
    run_main(main)
