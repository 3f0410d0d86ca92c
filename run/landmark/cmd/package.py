"""Command: a folder that a challenge's container is built from, and its check without Docker."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.shapes import format_numbers
from mos.stored_options import parse_epoch
from run.landmark.cmd.predict import parse_more_scales

DESCRIPTION = (
    "Writes a folder that stands by itself: Dockerfile, process.py, requirements, code and weights. In its container "
    "it reads the stack in /input/images/lateral-dental-x-rays/ and writes /output/orthodontic-landmarks.json.\n"
    "--check runs such a folder without Docker on the example it holds: exit code 0 or 1."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to pack, or which package to check."""

    run: tuple[str, ...] = option(
        (),
        "run folder, such as '.checkpoint/landmark-ceph-0/unet-512'; several, such as the folds of a dataset: the "
        "mean of their heatmaps",
        group="To pack",
    )
    output: str = option("", "the folder to write, a new one")
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
    example: str = option(
        "",
        "a small stack (.mha) to check with, of pictures like those trained on; it becomes part of the package. "
        "empty: two built-in X-rays",
    )
    check_folder: str = option(
        "", "a package to check; also written --check <folder>", group="To check"
    )
    tolerance: float = option(
        0.5, "pixels of the picture by which a point may differ from the stored answer"
    )
    install: bool = option(
        False,
        "first install the package's requirements.txt into a fresh environment, with pip and so over the network, "
        "and run in that one as a container would; false: run with the packages of this environment",
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:1", group="Both")
    threads: int = option(0, "CPU threads; 0: all cores")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if self.check_folder and (self.run or self.output):
            raise BadInput("--check: checks a package that is there; leave --run and --output out")
        if not self.check_folder and not (self.run and self.output):
            raise BadInput(
                "say what to do: --run <run> ... --output <new folder>, or --check <folder>"
            )
        if self.threads < 0:
            raise BadInput(f"--threads {self.threads}: needs 0 or more")
        if not 0 <= self.tolerance < float("inf"):
            raise BadInput(f"--tolerance {self.tolerance:g}: needs pixels, 0 or more")


def main(argv: Sequence[str] | None = None) -> int:
    """Packs or checks; 1 where a package does not answer as it did."""
    words = list(sys.argv[1:] if argv is None else argv)
    # A field cannot be called `check`, which is what options are checked by.
    words = [f"--check_folder{word[7:]}" if _is_check(word) else word for word in words]
    resolved = parse(Options, words, prog=".scripts/landmark/cmd/package", description=DESCRIPTION)
    options = resolved.options
    if not options.check_folder:
        from run.landmark.package_write import write_package

        write_package(options)
        return 0
    from pathlib import Path

    from run.landmark.package_check import check_package

    place = {"device": options.device, "threads": options.threads}
    folder = Path(options.check_folder)
    wrong = check_package(folder, options.tolerance, install=options.install, **place)
    if wrong:
        print(f"error: {options.check_folder}: {wrong}", file=sys.stderr)
        return 1
    print(f"{options.check_folder}: answers as it did, within {options.tolerance:g} pixels")
    return 0


def _is_check(word: str) -> bool:
    return word == "--check" or word.startswith("--check=")


if __name__ == "__main__":
    run_main(main)
