"""The names of the tensors in a dataset file, for each kind of file."""

from collections.abc import Mapping
from typing import Literal

Kind = Literal["main", "aux", "zeroshot", "pseudo"]

# The 3-D tensors, with a case for each row.
VOLUMES: Mapping[str, tuple[str, ...]] = {
    "main": ("train3d", "valid3d", "test3d"),
    "aux": ("train3d",),
    "zeroshot": ("crop3d",),
    "pseudo": ("crop3d",),
}
# Which kinds also have the labelled slices of train3d, as `train2d`.
HAS_SLICES = ("main", "aux")


def axis_key(kind: str, volumes: str) -> str:
    """The tensor with the slice positions of the 3-D tensor `volumes`."""
    return "zeroshot3daxis" if kind == "zeroshot" else f"{volumes}axis"
