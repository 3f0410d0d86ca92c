"""Where each voxel of a label came from, and the promise that no predicted one is ever scored.

A file made by `cmd/pseudo-gen` carries a tensor `<volumes>provenance` (n, d, h, w) uint8 beside its
volumes, and in the case records of its manifest what is known of the whole case:

    "pseudo": {"state": "corrected", "round": 2, "teachers": ["phantom-0/unet-2d-none epoch 17"]}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mos.errors import BadInput

# ORIGINAL: annotated in the set the case comes from, or padding. PREDICTED: as a network wrote it; in a
# case whose state is "corrected" a person has looked at it and left it. CORRECTED: changed by a person.
ORIGINAL, PREDICTED, CORRECTED = 0, 1, 2
# The 3-D tensors that are scored, of each kind of file that has some.
_SCORED = {"main": ("valid3d", "test3d"), "zeroshot": ("crop3d",)}


def provenance_key(volumes: str) -> str:
    """The tensor with the provenance of the 3-D tensor `volumes`."""
    return f"{volumes}provenance"


def read_provenance(
    path: Path, kind: str, content: Mapping[str, Any], volumes: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The provenance (n, d, h, w) uint8 of each 3-D tensor that has one.

    Args:
        volumes: the 3-D tensors of the file by name.

    Raises:
        BadInput: another shape, type or value; predicted or corrected voxels where cases are scored.
    """
    found = {}
    for name, tensor in volumes.items():
        key = provenance_key(name)
        if key not in content:
            continue
        value, needed = content[key], (tensor.shape[0], *tensor.shape[2:])
        right = isinstance(value, Tensor) and value.dtype == torch.uint8
        if not right or tuple(value.shape) != needed:
            shape = f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else value
            raise BadInput(
                f"{path}: key {key!r} is {shape}, needs {needed} uint8: one value a voxel of {name}, "
                "0 original, 1 predicted, 2 corrected"
            )
        for row, volume in enumerate(value.numpy()):
            highest = int(volume.max(initial=0))
            if highest > CORRECTED:
                raise BadInput(
                    f"{path}: {key}, row {row} holds {highest}; provenance is 0 original, 1 predicted or "
                    "2 corrected"
                )
            if highest and name in _SCORED.get(kind, ()):
                raise BadInput(_never(path, name, f"row {row} holds predicted or corrected voxels"))
        found[name] = value
    return found


def refuse_scored_pseudo(
    path: Path, kind: str, cases: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Refuses case records marked `pseudo` in a 3-D tensor that is scored.

    Args:
        cases: the manifest's case records by 3-D tensor name.

    Raises:
        BadInput: names the first such case.
    """
    for name in _SCORED.get(kind, ()):
        for case in cases.get(name) or ():
            if isinstance(case, Mapping) and case.get("pseudo"):
                raise BadInput(_never(path, name, f"case {case.get('id')} has pseudo-labels"))


def _never(path: Path, name: str, found: str) -> str:
    return (
        f"{path}: {name}: {found}, and what a network wrote must never be scored against. Keep such cases "
        "in an auxiliary file (cmd/pseudo-gen --step merge makes one) and train with --aux_dataset"
    )
