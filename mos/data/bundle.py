"""Opening a dataset file: everything it promises is checked here, and said exactly when broken."""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from mos.errors import BadInput

Kind = Literal["main", "aux", "zeroshot", "pseudo"]
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

# Per kind: the 3-D tensors (with a case each) and whether `train2d` belongs to it.
VOLUMES: Mapping[str, tuple[str, ...]] = {
    "main": ("train3d", "valid3d", "test3d"),
    "aux": ("train3d",),
    "zeroshot": ("crop3d",),
    "pseudo": ("crop3d",),
}
AXES: Mapping[str, str] = {"zeroshot": "zeroshot3daxis", "pseudo": "crop3daxis"}
HAS_SLICES = ("main", "aux")


@dataclass(frozen=True)
class Case:
    """What is known of one volume besides its voxels."""

    id: str
    patient: str
    spacing: tuple[float, float, float] | None  # (d, h, w) in mm; None where the file does not say
    box: Box  # half-open part of the stored (d, h, w) grid that is image; the rest is padding


@dataclass(frozen=True)
class Bundle:
    """A dataset file, mapped into memory: voxels are read from disk when they are used."""

    path: Path
    kind: Kind
    tensors: Mapping[str, Tensor]
    manifest: Mapping[str, Any]  # {} for a file without one
    cases: Mapping[str, Sequence[Case]]  # by 3-D tensor name, in the order of its rows
    slices: Sequence[tuple[int, int]]  # train2d: (row in train3d, slice); () where unknown

    @property
    def channels(self) -> int:
        """Image channels; the segmentation comes behind them."""
        return next(iter(self.tensors.values())).shape[1] - 1

    @property
    def label_names(self) -> dict[int, str]:
        """Label ids to names, background included; {} where the file does not say."""
        return {int(key): str(name) for key, name in self.manifest.get("labels", {}).items()}


def open_bundle(path: Path, kind: Kind = "main", *, volume_key: str | None = None) -> Bundle:
    """Opens and checks a dataset file.

    Args:
        volume_key: name of the 3-D tensor of a zero-shot or pseudo file, `crop3d` by default.

    Raises:
        BadInput: missing, truncated or foreign file; a key, shape, type or count that breaks the
            documented contract; a patient in two splits.
    """
    content = _load(path)
    volumes = (volume_key,) if volume_key and kind in AXES else VOLUMES[kind]
    names = (("train2d",) if kind in HAS_SLICES else ()) + volumes
    tensors: dict[str, Tensor] = {}
    for name in names:
        ndim = 4 if name == "train2d" else 5
        form = "(n, ch + 1, h, w)" if ndim == 4 else "(n, ch + 1, d, h, w)"
        if name not in content:
            keys = ", ".join(sorted(map(str, content))) or "none"
            raise BadInput(
                f"{path}: key {name!r} is missing; a {kind} file needs {name} {form} uint8; keys found: {keys}"
            )
        tensor = content[name]
        if not isinstance(tensor, Tensor):
            raise BadInput(
                f"{path}: key {name!r} is a {type(tensor).__name__}, needs a tensor {form} uint8"
            )
        if tensor.ndim != ndim or tensor.dtype != torch.uint8 or tensor.shape[1] < 2:
            raise BadInput(
                f"{path}: key {name!r} is {_form(tensor)}, needs {form} uint8, segmentation last"
            )
        tensors[name] = tensor
    _check_channels(path, tensors)
    manifest = _manifest(path, content)
    axes = {
        name: _axis(path, content, name, AXES.get(kind, f"{name}axis"), tensors[name])
        for name in volumes
    }
    cases = {name: _cases(path, manifest, name, tensors[name], axes[name]) for name in volumes}
    _check_patients(path, cases)
    slices = tuple((int(row), int(index)) for row, index in manifest.get("train2d", ()))
    if "train2d" in tensors and slices and len(slices) != len(tensors["train2d"]):
        raise BadInput(
            f"{path}: the manifest lists {len(slices)} slices, train2d has {len(tensors['train2d'])}"
        )
    return Bundle(path, kind, tensors, manifest, cases, slices)


def highest_label(bundle: Bundle) -> int:
    """The largest label id in the file; reads the whole segmentation channel."""
    # numpy: torch's reductions over uint8 are not vectorised (0.1 GB/s).
    return max(
        (
            int(volume[-1].max())
            for tensor in bundle.tensors.values()
            for volume in tensor.numpy()
            if volume.size
        ),
        default=0,
    )


def check_labels(bundle: Bundle, label_count: int) -> None:
    """Refuses a file with a label id outside 0 .. label_count - 1, naming the case.

    Raises:
        BadInput: the first volume or slice with such an id.
    """
    for name, tensor in bundle.tensors.items():
        for row, volume in enumerate(tensor.numpy()):
            highest = int(volume[-1].max()) if volume.size else 0
            if highest >= label_count:
                who = bundle.cases[name][row].id if name in bundle.cases else f"row {row}"
                raise BadInput(
                    f"{bundle.path}: {name}, {who}: label id {highest} found, but --label_count is {label_count} "
                    f"(ids 0-{label_count - 1}). Give --label_count {highest + 1}, or renumber with cmd/build --label_map"
                )


def _load(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        raise BadInput(_not_found(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (
        RuntimeError,
        ValueError,
        BadZipFile,
        pickle.UnpicklingError,
        EOFError,
        KeyError,
    ) as error:
        content = _load_unmapped(path, error)
    if not isinstance(content, Mapping):
        raise BadInput(
            f"{path}: holds a {type(content).__name__}, needs a dictionary of tensors; make it with cmd/build"
        )
    return content


def _load_unmapped(path: Path, first_error: Exception) -> Any:
    """Old-format files cannot be mapped, but are read whole; anything else is refused."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # zip, pickle, struct and torch each raise their own for a broken file
        reason = str(first_error or error).splitlines()[0][:200]
        raise BadInput(
            f"{path}: cannot be read as a dataset file ({path.stat().st_size} bytes): it is truncated or not "
            f"made by torch.save ({reason}). Build it again with .scripts/baseline/cmd/build"
        ) from error


def _not_found(path: Path) -> str:
    prefix = path.stem.partition("-")[0] + "-"
    known = (
        sorted(file.stem.removeprefix(prefix) for file in path.parent.glob("*.pt"))
        if path.parent.is_dir()
        else []
    )
    there = f"there are: {', '.join(known)}" if known else f"{path.parent} holds none yet"
    return (
        f"{path}: no such dataset file; {there}. Make one with .scripts/baseline/cmd/build, or use "
        "SETTING=phantom-0, which is generated"
    )


def _form(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _check_channels(path: Path, tensors: Mapping[str, Tensor]) -> None:
    counts = {name: tensor.shape[1] for name, tensor in tensors.items()}
    if len(set(counts.values())) > 1:
        raise BadInput(
            f"{path}: channel counts differ: {counts}; every tensor needs the same, segmentation last"
        )


def _manifest(path: Path, content: Mapping[str, Any]) -> Mapping[str, Any]:
    text = content.get("manifest")
    if text is None:
        return {}
    try:
        manifest = json.loads(text)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{path}: key 'manifest' is no JSON text ({error})") from error
    if not isinstance(manifest, dict):
        raise BadInput(f"{path}: key 'manifest' needs a JSON object")
    return manifest


def _axis(
    path: Path, content: Mapping[str, Any], name: str, key: str, volumes: Tensor
) -> np.ndarray | None:
    """Slice positions (n, d) in mm, nan in padding; None where the file has none."""
    axis = content.get(key)
    if axis is None:
        return None
    needed = (volumes.shape[0], volumes.shape[2])
    if not isinstance(axis, Tensor) or tuple(axis.shape) != needed:
        found = _form(axis) if isinstance(axis, Tensor) else type(axis).__name__
        raise BadInput(
            f"{path}: key {key!r} is {found}, needs {needed}: one position in mm per slice of {name}"
        )
    return axis.to(torch.float64).numpy()


def _cases(
    path: Path, manifest: Mapping[str, Any], name: str, volumes: Tensor, axis: np.ndarray | None
) -> tuple[Case, ...]:
    count, depth, height, width = volumes.shape[0], *volumes.shape[2:]
    listed = manifest.get("cases", {}).get(name)
    if listed is None:
        split = name.removesuffix("3d")
        cases = []
        for row in range(count):
            # Nothing says whose volume it is: each counts as a patient of its own.
            cases.append(
                Case(
                    f"{split}-{row:04d}",
                    f"{split}-{row:04d}",
                    None,
                    ((0, depth), (0, height), (0, width)),
                )
            )
    else:
        if len(listed) != count:
            raise BadInput(
                f"{path}: the manifest lists {len(listed)} cases in {name}, the tensor has {count}"
            )
        try:
            cases = [
                Case(
                    str(one["id"]),
                    str(one["patient"]),
                    tuple(float(value) for value in one["spacing"]),
                    tuple((int(start), int(stop)) for start, stop in one["box"]),
                )
                for one in listed
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"{path}: the manifest's cases of {name} lack or garble {error}; build the file again"
            ) from error
        for case in cases:
            inside = all(
                0 <= a < b <= size
                for (a, b), size in zip(case.box, (depth, height, width), strict=True)
            )
            if not inside or len(case.spacing) != 3 or min(case.spacing) <= 0:
                raise BadInput(
                    f"{path}: manifest, case {case.id}: box {case.box} or spacing {case.spacing} is impossible"
                )
    if axis is not None:
        cases = [
            _without_padding(path, name, case, positions)
            for case, positions in zip(cases, axis, strict=True)
        ]
    return tuple(cases)


def _without_padding(path: Path, name: str, case: Case, positions: np.ndarray) -> Case:
    """Narrows a case's box to the slices that have a position."""
    real = np.flatnonzero(~np.isnan(positions))
    if not len(real):
        raise BadInput(
            f"{path}: {name}, case {case.id}: no slice has a position; all of it is padding"
        )
    start, stop = max(case.box[0][0], int(real[0])), min(case.box[0][1], int(real[-1]) + 1)
    return Case(case.id, case.patient, case.spacing, ((start, stop), *case.box[1:]))


def _check_patients(path: Path, cases: Mapping[str, Sequence[Case]]) -> None:
    seen: dict[str, str] = {}
    ids: set[str] = set()
    for name, listed in cases.items():
        for case in listed:
            if seen.setdefault(case.patient, name) != name:
                raise BadInput(
                    f"{path}: patient {case.patient} is in both {seen[case.patient]} and {name}; split by patient "
                    "(cmd/build --patient gives the pattern that finds the patient in a file name)"
                )
            if case.id in ids:
                raise BadInput(
                    f"{path}: case id {case.id} appears twice; ids must be unique to pair cases across runs"
                )
            ids.add(case.id)
