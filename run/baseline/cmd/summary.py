"""`cmd/summary`: the report of all segmentation runs."""

from collections.abc import Sequence

from mos.arguments import parse
from mos.errors import run_main
from mos.report.command import DESCRIPTION, ReportOptions, write_report
from run.baseline.model_arguments import TASK


def main(argv: Sequence[str] | None = None) -> None:
    """Collects, prints the overview, writes the files.

    Raises:
        BadInput: no run is found, or the output folder cannot be written to.
    """
    options = parse(
        ReportOptions, argv, prog=".scripts/baseline/cmd/summary", description=DESCRIPTION
    ).options
    write_report(options, TASK, example=".scripts/baseline/unet-2d-none")


if __name__ == "__main__":
    run_main(main)
