"""Puts prepared images and points together as a dataset file and writes it, whole or not at all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mos.data.manifest import created_by
from mos.data.points import on_image
from mos.data.write import save_dataset

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class PreparedLandmarks:
    """All images that the files of one set take their rows from."""

    images: np.ndarray  # (n, ch, h, w) uint8
    points: np.ndarray  # (n, point_count, [xy]) float pixels of the stored image, nan: unknown
    scale: np.ndarray  # (n, [xy]) mm per stored pixel
    cases: Sequence[Mapping[str, Any]]  # (n) case records, see `LandmarkCase`
    names: Sequence[str]  # of the points
    swap: Sequence[tuple[int, int]] = ()  # pairs that change places in a mirror
    preparation: Mapping[str, Any] = field(default_factory=dict)  # to prepare a new image alike

    def visible(self) -> np.ndarray:
        """(n, point_count) bool: the points that lie on the picture itself, not on its padding."""
        inside = [on_image(own, one["content"]) for own, one in zip(self.points, self.cases)]
        return np.array(inside, bool).reshape(self.points.shape[:2])


def write_landmarks(
    path: Path,
    prepared: PreparedLandmarks,
    parts: Mapping[str, Sequence[int]],
    *,
    name: str,
    command: Sequence[str] | None = None,
) -> Path:
    """Writes one dataset file, see `mos.data.write.save_dataset`.

    Args:
        path: the `.pt` file.
        parts: split -> images it takes; an empty one is written with n = 0.
        name: of the dataset, such as `ceph-0`.
        command: how it was made; this process's own without one.

    Raises:
        BadInput: the disk is full (nothing half-written stays), or the folder cannot be written to.
    """
    import torch

    visible = prepared.visible()
    content: dict[str, Any] = {}
    for split, rows in parts.items():
        rows = list(rows)
        # Copies: torch.save would write the whole of a shared storage.
        content[split] = torch.from_numpy(prepared.images[rows])
        content[f"{split}_points"] = torch.from_numpy(prepared.points[rows].astype(np.float32))
        content[f"{split}_visible"] = torch.from_numpy(visible[rows].astype(np.uint8))
        content[f"{split}_scale"] = torch.from_numpy(prepared.scale[rows].astype(np.float32))
    manifest = {
        "version": FORMAT,
        "task": "landmark",
        "name": name,
        "points": list(prepared.names),
        "swap": [list(pair) for pair in prepared.swap],
        "preparation": dict(prepared.preparation),
        "cases": {split: [prepared.cases[row] for row in rows] for split, rows in parts.items()},
        "created": created_by(command),
    }
    content["manifest"] = json.dumps(manifest, allow_nan=False, ensure_ascii=False)
    save_dataset(path, content)
    return path
