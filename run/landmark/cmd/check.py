"""Says what is in a dataset file, or what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.arguments import name_leading, option, parse
from mos.errors import BadInput, run_main
from mos.folders import dataset_named

TASK = "landmark"
DESCRIPTION = (
    "Checks dataset files and prints what is in them.\n"
    "Give names or paths first: check ceph-0 other/landmark-heads-all.pt"
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which files to check."""

    file: tuple[str, ...] = option(
        (), "names such as ceph-0, or paths of .pt files; the flag may be left out"
    )

    def check(self) -> None:
        """Raises BadInput when no file is named."""
        if not self.file:
            raise BadInput(f"name a file: .scripts/{TASK}/cmd/check ceph-0")


def main(argv: Sequence[str] | None = None) -> None:
    """Checks each file; the first words are files even without a flag."""
    options: Options = parse(
        Options,
        name_leading(argv, "file"),
        prog=f".scripts/{TASK}/cmd/check",
        description=DESCRIPTION,
    ).options
    from run.landmark.checking import describe

    broken = []
    for name in options.file:
        try:
            for line in describe(dataset_named(TASK, name)):
                print(line)
        except BadInput as error:
            broken.append(str(error))
    if broken:
        raise BadInput("\n".join(broken))


if __name__ == "__main__":
    run_main(main)
