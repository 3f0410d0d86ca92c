"""Puts prepared cases together as a dataset file and writes it, whole or not at all."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mos.data.keys import VOLUMES, Kind, axis_key
from mos.data.manifest import labelled_slices, make_manifest
from mos.data.provenance import provenance_key, refuse_scored_pseudo
from mos.data.split import split_patients
from mos.errors import BadInput
from mos.files import atomic_path, sweep_temporaries


@dataclass(frozen=True, kw_only=True)
class PreparedSet:
    """All cases that the files of one set take their rows from."""

    task: str
    kind: Kind
    volumes: np.ndarray  # (n, ch + 1, d, h, w) uint8, segmentation last
    axes: np.ndarray  # (n, d) float32, slice positions in mm, NaN where padded
    cases: Sequence[Mapping[str, Any]]  # (n) case records
    labels: Mapping[int, str]  # names of the annotated ids, background included
    preparation: Mapping[str, Any]  # everything needed to prepare a new image the same way
    provenance: np.ndarray | None = None  # (n, d, h, w) uint8, see mos.data.provenance
    about: Mapping[str, Any] = field(default_factory=dict)  # further keys of the manifest


def deal_rows(
    kind: Kind, patients: Sequence[str], fold: int | None, seed: int = 0
) -> dict[str, list[int]]:
    """Which cases each 3-D tensor of a file takes.

    Args:
        patients: of each case.
        fold: 0 to 4 of a main file; None: its first tensor takes all of them.
        seed: another one deals the patients anew.

    Raises:
        BadInput: too few patients for five folds.
    """
    everything = list(range(len(patients)))
    if kind != "main" or fold is None:
        return {key: [] for key in VOLUMES[kind]} | {VOLUMES[kind][0]: everything}
    split = split_patients(patients, fold, seed)
    return {
        key: [row for row in everything if patients[row] in split[key.removesuffix("3d")]]
        for key in VOLUMES[kind]
    }


def write_bundle(
    path: Path,
    prepared: PreparedSet,
    parts: Mapping[str, Sequence[int]],
    *,
    name: str,
    command: Sequence[str] | None = None,
) -> Path:
    """Writes one dataset file, see `save_dataset`.

    Args:
        path: the `.pt` file.
        parts: 3-D tensor name -> cases it takes; an empty one is written with n = 0.
        name: of the dataset, such as `hippocampus-0`.
        command: how it was made; this process's own without one.

    Raises:
        BadInput: the disk is full (nothing half-written stays), or the folder cannot be written to; a case
            with pseudo-labels would be scored.
    """
    import torch

    volumes, kind = prepared.volumes, prepared.kind
    content: dict[str, Any] = {}
    slices: list[tuple[int, int]] = []
    cases = {key: [dict(prepared.cases[row]) for row in rows] for key, rows in parts.items()}
    refuse_scored_pseudo(path, kind, cases)
    for key, rows in parts.items():
        part = volumes[list(rows)]  # a copy: torch.save would write the whole of a shared storage
        content[key] = torch.from_numpy(part)
        content[axis_key(kind, key)] = torch.from_numpy(prepared.axes[list(rows)])
        if prepared.provenance is not None:
            content[provenance_key(key)] = torch.from_numpy(prepared.provenance[list(rows)])
        if key == "train3d":
            slices = labelled_slices(part)
            chosen = [part[row, :, index] for row, index in slices]
            empty = np.zeros((0, part.shape[1], *part.shape[3:]), np.uint8)
            content["train2d"] = torch.from_numpy(np.stack(chosen) if chosen else empty)
    content["manifest"] = make_manifest(
        task=prepared.task,
        name=name,
        kind=kind,
        labels=prepared.labels,
        preparation=prepared.preparation,
        cases=cases,
        train2d=slices,
        channels=volumes.shape[1] - 1,
        command=command,
        about=prepared.about,
    )
    save_dataset(path, content)
    return path


def save_dataset(path: Path, content: Mapping[str, Any]) -> None:
    """Writes the dictionary of a dataset file through a temporary name; what killed processes left goes first.

    Raises:
        BadInput: the disk is full (nothing half-written stays), or the folder cannot be written to.
    """
    import torch

    sweep_temporaries(path.parent)
    need = sum(value.nbytes for value in content.values() if isinstance(value, torch.Tensor))
    need_room(path, need)
    with atomic_path(path) as temporary:
        torch.save(dict(content), temporary)


def need_room(path: Path, need: int) -> None:
    """Refuses early what cannot fit, instead of filling the disk first.

    Args:
        need: bytes.

    Raises:
        BadInput: the disk of `path` has fewer left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    status = os.statvfs(path.parent)
    free = status.f_bavail * status.f_frsize
    if need > free:
        raise BadInput(
            f"{path}: needs {need / 1e9:.2f} GB, the disk has {free / 1e9:.2f} GB left; free some space, "
            "or move the folder with MOS_CACHE"
        )
