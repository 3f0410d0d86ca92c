"""The manifest of a dataset file: what it holds, where that came from, how it was prepared."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mos import __version__

FORMAT = 1


def make_manifest(
    *,
    task: str,
    name: str,
    kind: str,
    labels: Mapping[int, str],
    preparation: Mapping[str, Any],
    cases: Mapping[str, Sequence[Mapping[str, Any]]],
    train2d: Sequence[tuple[int, int]],
    channels: int,
    command: Sequence[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> str:
    """The manifest as JSON text.

    Args:
        labels: names of the ids that were annotated, background included.
        preparation: everything needed to prepare a new image the same way.
        cases: case records of each 3-D tensor, in the order of its rows.
        train2d: (row in train3d, slice) of each row of train2d.
        channels: image channels.
        about: further keys.
    """
    spacings = [case["spacing"] for part in cases.values() for case in part]
    same = bool(spacings) and np.allclose(spacings, spacings[0], rtol=2e-3)
    manifest = dict(about or {}) | {
        "format": FORMAT,
        "task": task,
        "name": name,
        "kind": kind,
        "channels": channels,
        "labels": {str(key): labels[key] for key in sorted(labels)},
        "annotated": sorted(key for key in labels if key),
        "spacing": list(spacings[0]) if same else None,
        "preparation": dict(preparation),
        "cases": {key: list(part) for key, part in cases.items()},
        "train2d": [[int(row), int(index)] for row, index in train2d],
        "created": created_by(command),
    }
    return json.dumps(manifest, allow_nan=False, ensure_ascii=False)


def created_by(command: Sequence[str] | None = None) -> dict[str, Any]:
    """Which MOS made a file, by which command (None: this process's own), and when (UTC)."""
    return {
        "mos": __version__,
        "command": list(sys.argv if command is None else command),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def labelled_slices(volumes: np.ndarray) -> list[tuple[int, int]]:
    """(row, slice) of every slice with a label, of volumes (n, ch + 1, d, h, w), segmentation last."""
    return [
        (row, int(index))
        for row, volume in enumerate(volumes)
        for index in np.flatnonzero(volume[-1].any(axis=(1, 2)))
    ]
