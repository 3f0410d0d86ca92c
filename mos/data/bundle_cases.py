"""What a dataset file says of its volumes: cases, slice positions, patients; each checked."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mos.data.digest import image_digest
from mos.errors import BadInput

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
# Scanners round what they say: slices may lie this much off the spacing, as a fraction.
_STEP_TOLERANCE = 0.05


@dataclass(frozen=True)
class Case:
    """What is known of one volume besides its voxels."""

    id: str
    patient: str
    spacing: tuple[float, float, float] | None  # (d, h, w) in mm; None where the file does not say
    box: Box  # half-open part of the stored (d, h, w) grid that is image; the rest is padding
    step: float | None = None  # mm from slice to slice by the file's positions; None without them


def form(tensor: Tensor) -> str:
    """Shape and type as a message shows them: `(3, 2, 16, 16) uint8`."""
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def read_axis(
    path: Path, content: Mapping[str, Any], name: str, key: str, volumes: Tensor
) -> np.ndarray:
    """Slice positions (n, d) float64 in mm, nan in padding.

    Raises:
        BadInput: no tensor, or another shape.
    """
    axis = content[key]
    needed = (volumes.shape[0], volumes.shape[2])
    if not isinstance(axis, Tensor) or tuple(axis.shape) != needed:
        found = form(axis) if isinstance(axis, Tensor) else type(axis).__name__
        raise BadInput(
            f"{path}: key {key!r} is {found}, needs {needed}: one position in mm per slice of {name}"
        )
    return axis.double().numpy()


def read_cases(
    path: Path, manifest: Mapping[str, Any], name: str, volumes: Tensor, axis: np.ndarray | None
) -> tuple[Case, ...]:
    """The cases of a 3-D tensor, in the order of its rows.

    Where nothing says whose volume it is, it is named after its voxels (`test-0f3a91c2d4`), which reads
    them all (about 1 GB/s): the same volume has the same name in every file and fold, and another one
    never does. It counts as a patient of its own.

    Raises:
        BadInput: as many cases as rows are not listed, or one is garbled or all padding.
    """
    listed = manifest.get("cases", {}).get(name)
    if listed is None:
        whole = tuple((0, size) for size in volumes.shape[2:])
        names = [f"{name} row {row}" for row in range(len(volumes))]
        cases = [Case(one, one, None, whole) for one in names]
    else:
        cases = _listed_cases(path, name, listed, volumes.shape)
    if axis is not None:
        cases = [
            _placed(path, name, case, positions)
            for case, positions in zip(cases, axis, strict=True)
        ]
    return tuple(cases if listed is not None else _named_after_voxels(name, cases, volumes))


def _named_after_voxels(name: str, cases: Sequence[Case], volumes: Tensor) -> list[Case]:
    """Cases with an id and a patient; a volume that is there twice is one patient with two ids."""
    named, times = [], Counter()
    for case, volume in zip(cases, volumes.numpy(), strict=True):
        digest = image_digest(image_of(volume, case.box))
        patient = f"{name.removesuffix('3d')}-{digest[:10]}"
        times[patient] += 1
        again = f"-{times[patient]}" if times[patient] > 1 else ""
        named.append(replace(case, id=patient + again, patient=patient))
    return named


def image_of(volume: np.ndarray, box: Box) -> np.ndarray:
    """The image channels of a volume (ch + 1, d, h, w) without their padding."""
    return volume[(slice(-1), *(slice(*side) for side in box))]


def _listed_cases(
    path: Path, name: str, listed: Sequence[Mapping[str, Any]], shape: Sequence[int]
) -> list[Case]:
    if len(listed) != shape[0]:
        raise BadInput(
            f"{path}: the manifest lists {len(listed)} cases in {name}, the tensor has {shape[0]}"
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
        inside = len(case.box) == 3 and all(
            0 <= a < b <= size for (a, b), size in zip(case.box, shape[2:])
        )
        if (
            not inside
            or len(case.spacing) != 3
            or not all(0 < mm < math.inf for mm in case.spacing)
        ):
            raise BadInput(
                f"{path}: manifest, case {case.id}: box {case.box} or spacing {case.spacing} is impossible"
            )
    return cases


def _placed(path: Path, name: str, case: Case, positions: np.ndarray) -> Case:
    """Narrows a case's box to the slices that have a position, and measures how far they lie apart."""
    real = np.flatnonzero(~np.isnan(positions))
    if not len(real):
        raise BadInput(
            f"{path}: {name}, case {case.id}: no slice has a position; all of it is padding"
        )
    start, stop = max(case.box[0][0], int(real[0])), min(case.box[0][1], int(real[-1]) + 1)
    if start >= stop:
        raise BadInput(
            f"{path}: {name}, case {case.id}: its box has slices {case.box[0]}, but only slices "
            f"{int(real[0])}-{int(real[-1])} have a position; build the file again"
        )
    steps = np.diff(positions[start:stop])
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise BadInput(
            f"{path}: {name}, case {case.id}: slice positions do not rise one by one "
            "(mm, NaN only in padding at the ends)"
        )
    step = float(np.median(steps)) if len(steps) else None
    if step and case.spacing and abs(step / case.spacing[0] - 1) > _STEP_TOLERANCE:
        raise BadInput(
            f"{path}: {name}, case {case.id}: slices lie {step:g} mm apart, but the manifest says "
            f"spacing {','.join(f'{mm:g}' for mm in case.spacing)} mm (d,h,w)"
        )
    return replace(case, box=((start, stop), *case.box[1:]), step=step)


def check_patients(path: Path, cases: Mapping[str, Sequence[Case]]) -> None:
    """Refuses a patient in two splits, and a case id that appears twice.

    Raises:
        BadInput: names the patient or the case.
    """
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
