"""Making the dataset file of a built-in set when a run first asks for it."""

import sys
from collections.abc import Callable, Collection
from pathlib import Path

from mos.errors import BadInput
from mos.folders import dataset_path


def ensure_built_in(
    task: str, name: str, known: Collection[str], write: Callable[[str, Path], None]
) -> Path | None:
    """Makes the dataset file of a phantom set if it is not there yet.

    Args:
        known: names of the phantom sets there are.
        write: makes the file of a name, whole or not at all; two processes that make it at once
            write the same pixels.

    Returns:
        The file, or None when the name is no phantom's (it does not begin with `phantom-`, or it is there
        already and none of ours).

    Raises:
        BadInput: a phantom that does not exist, or the file cannot be written.
    """
    if name != "phantom" and not name.startswith("phantom-"):
        return None
    path = dataset_path(task, name)
    if name not in known and path.exists():
        return None  # made by others of it: `phantom-pseudo-corrected`
    if name not in known:
        raise BadInput(f"dataset {name!r}: no such phantom; there are: {', '.join(known)}")
    if not path.exists():
        print(f"making the built-in dataset {name} (once): {path}", file=sys.stderr, flush=True)
        write(name, path)
    return path
