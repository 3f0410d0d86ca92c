"""Makes dataset files from pictures and a list of points: five folds and `all`, or one file."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.shapes import parse_sizes

TASK = "landmark"
DESCRIPTION = "Makes .cache/dataset/landmark/landmark-<name>.pt from pictures and a list of points."


def parse_percentiles(text: str) -> tuple[float, float]:
    """Reads `0.5,99.5`."""
    parts = [float(part) for part in text.split(",")]
    if len(parts) != 2 or not 0 <= parts[0] < parts[1] <= 100:
        raise BadInput("needs two numbers of 0 to 100, such as 0.5,99.5")
    return parts[0], parts[1]


def parse_words(text: str) -> tuple[str, ...]:
    """Reads `sella,nasion,A point`."""
    return tuple(part.strip() for part in text.split(",")) if text else ()


def parse_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Reads `left eye:right eye,3:4` as pairs."""
    pairs = []
    for part in text.split(",") if text else []:
        first, colon, second = (piece.strip() for piece in part.partition(":"))
        if not (first and colon and second):
            raise BadInput(f"{part!r} is no pair of points, such as 1:2 or 'left eye:right eye'")
        pairs.append((first, second))
    return tuple(pairs)


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    return ",".join(f"{first}:{second}" for first, second in pairs)


def parse_shares(text: str) -> tuple[float, float, float] | None:
    """Reads `7:1:2`, the parts for training, validation and test; `column` is None."""
    if text == "column":
        return None
    shares = tuple(float(part) for part in text.split(":"))
    if len(shares) != 3 or min(shares) <= 0 or abs(shares[2] / sum(shares) - 0.2) > 0.01:
        raise BadInput(
            "needs train:valid:test such as 7:1:2 or 56:4:15, where a fifth tests (each picture in one of "
            "the five folds), or `column` for the CSV's column split"
        )
    return shares


def _shares(shares: Sequence[float] | None) -> str:
    return ":".join(f"{share:g}" for share in shares) if shares else "column"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to build from what."""

    name: str = option(
        "", "name of the set: `ceph` makes ceph-0 ... ceph-4 and ceph-all", group="What to make"
    )
    split: tuple[float, float, float] | None = option(
        "7:1:2",
        "train:valid:test, such as 56:4:15; a fifth tests. `column`: one file <name> by the CSV's column split "
        "(train, valid, test)",
        parse=parse_shares,
        format=_shares,
    )
    folds: int = option(5, "how many of the five folds to write, from fold 0; 0: only `all`")
    only_fold: int | None = option(None, "write this fold alone")
    split_seed: int = option(0, "another number deals the patients anew")
    overwrite: bool = option(False, "replace files of these names")

    csv: str = option(
        "",
        "list of pictures: file, scale (mm per pixel; or pixel_size_mm, or px_x_mm and px_y_mm), p1x, p1y, ...; an "
        "empty cell is a point nobody set; patient and split are read where there",
        group="Where from (--csv, or --stack and --json)",
    )
    images: str = option("", "folder of the CSV's files; empty: its own, or images/ beside it")
    stack: str = option("", "the challenge's stack (n, h, w, 3) .mha, zero-padded to one size")
    json: str = option("", 'its points: "points": [{"name": "1", "point": [x, y, image from 1]}]')
    scale: float | None = option(
        None, "mm per pixel of pictures whose list does not say it, such as 0.1"
    )
    patient: str = option(
        "", "regular expression that finds the patient in a file name: '(\\d+)_[ab]'"
    )
    points: tuple[str, ...] = option(
        "",
        "names of the points in the order of the list, sella,nasion,...; or isbi2015 for the usual 19",
        parse=parse_words,
    )
    swap: tuple[tuple[str, str], ...] = option(
        "",
        "points that change places when a picture is mirrored, by name or number: 1:2,left eye:right eye",
        parse=parse_pairs,
        format=_pairs,
    )

    image_size: tuple[int, ...] = option(
        (0, 0),
        "stored pixels h,w; aspect is kept, the rest is 0. 0,0: 512 along the longer side of the largest picture",
        parse=parse_sizes,
        group="Preparation",
    )
    cut_padding: Literal["auto", "yes", "no"] = option(
        "auto", "cut rows and columns of zeros off the edges; auto: of stacks only"
    )
    colour: bool = option(False, "keep three channels; else colour becomes grey")
    percentiles: tuple[float, float] = option(
        (0.5, 99.5),
        "they become 0 and 255 in pictures of more than 8 bits; those of 8 keep their values",
        parse=parse_percentiles,
    )
    exif: Literal["refuse", "apply", "ignore"] = option(
        "refuse",
        "pictures that say they must be turned for viewing: were the points set on the turned one?",
    )
    outside: float = option(
        0.1,
        "a point may lie beyond the picture by this share of its longer side (kept and masked); further out is "
        "taken for a mistake",
    )

    def check(self) -> None:
        """Checks what can be checked without data.

        Raises:
            BadInput: names the option, the value and what is needed.
        """
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise BadInput(f"--name {self.name!r}: give the set a name, such as --name ceph")
        if bool(self.csv) == bool(self.stack):
            found = "both" if self.csv else "neither"
            raise BadInput(f"give --csv, or --stack with --json; found {found}")
        if bool(self.stack) != bool(self.json):
            raise BadInput("--stack and --json go together: pictures and their points")
        if self.stack and self.split is None:
            raise BadInput("--split column: only a CSV has columns; give shares such as 7:1:2")
        if self.stack and self.patient:
            raise BadInput("--patient looks into file names, and the pictures of a stack have none")
        if self.images and not Path(self.images).is_dir():
            raise BadInput(f"--images {self.images}: no such folder")
        size = self.image_size
        if len(size) != 2 or (any(size) and min(size) < 16):
            raise BadInput(
                f"--image_size {','.join(map(str, size))}: needs h,w of at least 16 pixels, such as 320,256"
            )
        if self.scale is not None and self.scale <= 0:
            raise BadInput(f"--scale {self.scale}: needs mm per pixel above 0")
        if self.outside < 0:
            raise BadInput(f"--outside {self.outside}: needs a share of 0 or more, such as 0.1")
        if not 0 <= self.folds <= 5:
            raise BadInput(f"--folds {self.folds}: needs 0 to 5")
        if self.only_fold is not None and not 0 <= self.only_fold < 5:
            raise BadInput(f"--only_fold {self.only_fold}: needs 0 to 4")


def main(argv: Sequence[str] | None = None) -> None:
    """Builds the files that the options name."""
    prog = f".scripts/{TASK}/cmd/build"
    options: Options = parse(Options, argv, prog=prog, description=DESCRIPTION).options
    from mos.folders import dataset_path

    targets = {name: (dataset_path(TASK, name), fold) for name, fold in _targets(options).items()}
    for path, _ in targets.values():
        if path.exists() and not options.overwrite:
            raise BadInput(f"{path}: exists already; give --overwrite or another --name")
    from run.landmark import building

    building.build(options, targets, [prog, *(sys.argv[1:] if argv is None else argv)])


def _targets(options: Options) -> dict[str, int | None]:
    """The sets to write by name, with their fold (None: no folds)."""
    if options.split is None:
        return {options.name: None}
    folds: Sequence[int | None] = [*range(options.folds), None]
    if options.only_fold is not None:
        folds = [options.only_fold]
    return {f"{options.name}-{'all' if fold is None else fold}": fold for fold in folds}


if __name__ == "__main__":
    run_main(main)
