"""Puts prepared cases together as a dataset file and writes it, whole or not at all."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mos.data.keys import axis_key
from mos.data.manifest import labelled_slices, make_manifest
from mos.errors import BadInput
from mos.files import atomic_path


def write_bundle(
    path: Path,
    *,
    task: str,
    name: str,
    kind: str,
    volumes: np.ndarray,
    axes: np.ndarray,
    cases: Sequence[Mapping[str, Any]],
    parts: Mapping[str, Sequence[int]],
    labels: Mapping[int, str],
    preparation: Mapping[str, Any],
    version: str,
    command: Sequence[str] | None = None,
) -> Path:
    """Writes one dataset file through a temporary name.

    Args:
        path: the `.pt` file.
        kind: main, aux, zeroshot or pseudo.
        volumes: (n, ch + 1, d, h, w) uint8 of all cases, segmentation last.
        axes: (n, d) float32, slice positions in mm, NaN where padded.
        cases: (n) case records.
        parts: 3-D tensor name -> rows of `volumes` it takes; an empty one is written with n = 0.
        labels: names of the annotated ids, background included.
        preparation: for the manifest.

    Raises:
        BadInput: the disk is full (nothing half-written stays), or the folder cannot be written to.
    """
    import torch

    content: dict[str, Any] = {}
    slices: list[tuple[int, int]] = []
    for key, rows in parts.items():
        part = volumes[list(rows)]  # a copy: torch.save would write the whole of a shared storage
        content[key] = torch.from_numpy(part)
        content[axis_key(kind, key)] = torch.from_numpy(axes[list(rows)])
        if key == "train3d":
            slices = labelled_slices(part)
            chosen = [part[row, :, index] for row, index in slices]
            empty = np.zeros((0, part.shape[1], *part.shape[3:]), np.uint8)
            content["train2d"] = torch.from_numpy(np.stack(chosen) if chosen else empty)
    content["manifest"] = make_manifest(
        task=task,
        name=name,
        kind=kind,
        labels=labels,
        preparation=preparation,
        cases={key: [dict(cases[row]) for row in rows] for key, rows in parts.items()},
        train2d=slices,
        channels=volumes.shape[1] - 1,
        version=version,
        command=command,
    )
    need = sum(value.nbytes for value in content.values() if isinstance(value, torch.Tensor))
    _need_room(path, need)
    with atomic_path(path) as temporary:
        torch.save(content, temporary)
    return path


def _need_room(path: Path, need: int) -> None:
    """Refuses early what cannot fit, instead of filling the disk first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    status = os.statvfs(path.parent)
    free = status.f_bavail * status.f_frsize
    if need > free:
        raise BadInput(
            f"{path}: needs {need / 1e9:.2f} GB, the disk has {free / 1e9:.2f} GB left; free some space, "
            "or move the folder with MOS_CACHE"
        )
