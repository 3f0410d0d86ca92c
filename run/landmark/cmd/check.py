"""Says what is in a dataset file, or what is wrong with it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mos.arguments import option, parse
from mos.errors import BadInput, run_main

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
    words = list(sys.argv[1:] if argv is None else argv)
    for place, word in enumerate(words):
        if word.startswith("-"):
            break
        words[place] = f"--file={word}"  # word for word, so that the parser's count stays right
    prog = f".scripts/{TASK}/cmd/check"
    options: Options = parse(Options, words, prog=prog, description=DESCRIPTION).options
    from mos.folders import dataset_path
    from run.landmark.checking import describe

    broken = []
    for name in options.file:
        is_path = name.endswith(".pt") or "/" in name
        try:
            for line in describe(Path(name) if is_path else dataset_path(TASK, name)):
                print(line)
        except BadInput as error:
            broken.append(str(error))
    if broken:
        raise BadInput("\n".join(broken))


if __name__ == "__main__":
    run_main(main)
