"""`cmd/profile`: opens what a run started with `--use_profile` recorded."""

from collections.abc import Sequence

from mos.errors import run_main
from mos.report.profile_command import open_profile


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the profile of a run and becomes TensorBoard."""
    open_profile(".scripts/landmark/cmd/profile", argv)


if __name__ == "__main__":
    run_main(main)
