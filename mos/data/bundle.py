"""Opening a dataset file: everything it promises is checked here, and said exactly when broken."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mos.data.bundle_cases import (
    Box as Box,
    Case,
    check_patients,
    form,
    read_axis,
    read_cases,
)
from mos.data.bundle_manifest import read_manifest, read_slices
from mos.data.digest import content_digest
from mos.data.mapped import load_read_only
from mos.data.keys import HAS_SLICES, VOLUMES, Kind, axis_key
from mos.data.provenance import provenance_key, read_provenance, refuse_scored_pseudo
from mos.errors import BadInput


@dataclass(frozen=True)
class Bundle:
    """A dataset file, mapped into memory: voxels are read from disk when they are used."""

    path: Path
    kind: Kind
    tensors: Mapping[str, Tensor]
    manifest: Mapping[str, Any]  # {} for a file without one
    axes: Mapping[str, np.ndarray]  # by 3-D tensor name, (n, d) float64 mm; absent where not given
    cases: Mapping[str, Sequence[Case]]  # by 3-D tensor name, in the order of its rows
    slices: Sequence[tuple[int, int]]  # train2d: (row in train3d, slice); () where unknown
    # By 3-D tensor name, (n, d, h, w) uint8, see mos.data.provenance; absent where all is original.
    provenance: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """Image channels; the segmentation comes behind them."""
        return next(iter(self.tensors.values())).shape[1] - 1

    @property
    def label_names(self) -> dict[int, str]:
        """Label ids to names, background included; {} where the file does not say."""
        return {int(key): str(name) for key, name in self.manifest.get("labels", {}).items()}

    @property
    def annotated(self) -> tuple[int, ...] | None:
        """The ids the file annotates, ascending; None where it does not say."""
        listed = self.manifest.get("annotated")
        return None if listed is None else tuple(sorted(listed))

    def row_name(self, tensor: str, row: int) -> str:
        """A row of a tensor as a user knows it: `patient001_ed`, or `patient001_ed slice 3`."""
        if tensor in self.cases:
            return self.cases[tensor][row].id
        if self.slices:
            volume, index = self.slices[row]
            return f"{self.cases['train3d'][volume].id} slice {index}"
        return f"row {row}"


def open_bundle(path: Path, kind: Kind = "main", volumes: Sequence[str] | None = None) -> Bundle:
    """Opens and checks a dataset file.

    Args:
        volumes: 3-D tensors to open; None: those of the kind.

    Raises:
        BadInput: missing, truncated or foreign file; a key, shape, type or count that breaks the
            documented contract; a patient in two splits; a pseudo-label where cases are scored.
    """
    content = load_content(path)
    volumes = tuple(volumes or VOLUMES[kind])
    names = (("train2d",) if kind in HAS_SLICES else ()) + volumes
    tensors: dict[str, Tensor] = {}
    for name in names:
        ndim = 4 if name == "train2d" else 5
        needed = "(n, ch + 1, h, w)" if ndim == 4 else "(n, ch + 1, d, h, w)"
        if name not in content:
            keys = ", ".join(sorted(map(str, content))) or "none"
            raise BadInput(
                f"{path}: key {name!r} is missing; a {kind} file needs {name} {needed} uint8; keys found: {keys}"
            )
        tensor = content[name]
        if not isinstance(tensor, Tensor):
            raise BadInput(
                f"{path}: key {name!r} is a {type(tensor).__name__}, needs a tensor {needed} uint8"
            )
        if tensor.ndim != ndim or tensor.dtype != torch.uint8 or tensor.shape[1] < 2:
            raise BadInput(
                f"{path}: key {name!r} is {form(tensor)}, needs {needed} uint8, segmentation last"
            )
        tensors[name] = tensor
    _check_channels(path, tensors)
    _check_volumes(path, tensors)
    manifest = read_manifest(path, kind, content)
    refuse_scored_pseudo(path, kind, manifest.get("cases", {}))
    provenance = read_provenance(path, kind, content, {name: tensors[name] for name in volumes})
    axes = {
        name: read_axis(path, content, name, axis_key(kind, name), tensors[name])
        for name in volumes
        if axis_key(kind, name) in content
    }
    cases = {
        name: read_cases(path, manifest, name, tensors[name], axes.get(name)) for name in volumes
    }
    check_patients(path, cases)
    slices = read_slices(path, manifest, tensors)
    return Bundle(path, kind, tensors, manifest, axes, cases, slices, provenance)


def content_hash(bundle: Bundle) -> str:
    """A hash of what the file holds: equal for files of the same tensors and manifest.

    When and by which command the file was made (the manifest's `created`) does not count, so a dataset
    that is built again in the same way keeps its hash.

    Returns:
        SHA-256 in hex; with `blocks-` before it where more than 1 GiB was sampled (`content_digest`).
    """
    arrays = {name: tensor.numpy() for name, tensor in bundle.tensors.items()}
    arrays |= {axis_key(bundle.kind, name): axis for name, axis in bundle.axes.items()}
    arrays |= {provenance_key(name): part.numpy() for name, part in bundle.provenance.items()}
    said = {key: value for key, value in bundle.manifest.items() if key != "created"}
    return content_digest(arrays, json.dumps(said, sort_keys=True))


def load_content(path: Path) -> Mapping[str, Any]:
    """The dictionary in a dataset file, mapped into memory where its format allows.

    Raises:
        BadInput: missing, unreadable, truncated, or no dictionary.
    """
    if not path.exists():
        raise BadInput(_not_found(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (IsADirectoryError, PermissionError) as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zip, pickle, struct and torch each raise their own
        content = _load_unmapped(path, error)
    if not isinstance(content, Mapping):
        raise BadInput(
            f"{path}: holds a {type(content).__name__}, needs a dictionary of tensors; make it with cmd/build"
        )
    return content


def _load_unmapped(path: Path, first_error: Exception) -> Any:
    """What cannot be mapped: files larger than the memory, for writing; old formats; the rest is refused."""
    try:
        if "Cannot allocate memory" in str(first_error):
            return load_read_only(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = (str(first_error).splitlines() or [type(first_error).__name__])[0][:200]
        raise BadInput(
            f"{path}: cannot be read as a dataset file ({path.stat().st_size} bytes): it is truncated or not "
            f"made by torch.save ({reason}). Build it again with cmd/build"
        ) from error


def _not_found(path: Path) -> str:
    prefix = path.stem.partition("-")[0] + "-"
    known = (
        sorted(file.stem.removeprefix(prefix) for file in path.parent.glob("[!.]*.pt"))
        if path.parent.is_dir()
        else []
    )
    there = f"there are: {', '.join(known)}" if known else f"{path.parent} holds none yet"
    return f"{path}: no such dataset file; {there}. Make one with cmd/build"


def _check_channels(path: Path, tensors: Mapping[str, Tensor]) -> None:
    counts = {name: tensor.shape[1] for name, tensor in tensors.items()}
    if len(set(counts.values())) > 1:
        raise BadInput(
            f"{path}: channel counts differ: {counts}; every tensor needs the same, segmentation last"
        )


def _check_volumes(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Slices come from volumes, which say how large a voxel is."""
    if "train2d" in tensors and len(tensors["train2d"]) and not len(tensors["train3d"]):
        raise BadInput(
            f"{path}: train2d has {len(tensors['train2d'])} slices, but train3d is empty; it needs the volumes "
            "the slices are taken from"
        )
