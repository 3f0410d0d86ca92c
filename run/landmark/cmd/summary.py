"""`cmd/summary`: the report of all landmark runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.arguments import option, parse
from mos.errors import run_main
from mos.report.command import DESCRIPTION, ReportOptions, write_report

TASK = "landmark"


@dataclass(frozen=True, kw_only=True)
class Options(ReportOptions):
    """As for segmentation, in a folder of its own."""

    output_folder: str = option(
        "", "where to write; empty: summary/landmark in the checkpoint folder"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Collects, prints the overview, writes the files.

    Raises:
        BadInput: no run is found, or the output folder cannot be written to.
    """
    options = parse(
        Options, argv, prog=".scripts/landmark/cmd/summary", description=DESCRIPTION
    ).options
    write_report(options, TASK, example=".scripts/landmark/unet-512", folder=TASK)


if __name__ == "__main__":
    run_main(main)
