"""What a landmark dataset file says of its images besides pixels: names, cases, patients; each checked."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mos.data.points import swap_order
from mos.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class LandmarkCase:
    """What is known of one image besides its pixels and points."""

    id: str
    patient: str
    source: str  # the file it came from
    original: tuple[int, int]  # (h, w) of the image as it was read
    scale: tuple[float, float]  # mm per original pixel along x, y
    factor: tuple[float, float]  # original pixels per stored pixel along x, y, see `to_original`
    offset: tuple[float, float]  # original pixels cut off on the left and at the top
    content: tuple[int, int]  # (h, w) of the stored image that is picture; 0 follows up to its end


def read_landmark_manifest(path: Path, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The manifest's object; {} for a file without one.

    Raises:
        BadInput: it is no JSON object, or its cases are none.
    """
    if "manifest" not in content:
        return {}
    try:
        manifest = json.loads(content["manifest"])
    except (TypeError, ValueError) as error:
        raise BadInput(f"{path}: key 'manifest' is no JSON text ({error})") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("cases", {}), dict):
        raise BadInput(
            f"{path}: key 'manifest' needs a JSON object with 'cases' by split; build the file again"
        )
    return manifest


def read_names(
    path: Path, manifest: Mapping[str, Any], count: int
) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """The names of the points, and the pairs that change places in a mirror; without a manifest 1, 2, ...

    Raises:
        BadInput: not as many names as points, one twice, or no pairs of points.
    """
    names = tuple(map(str, manifest.get("points", range(1, count + 1))))
    if len(names) != count or len(set(names)) != count:
        raise BadInput(
            f"{path}: the manifest names points {', '.join(names)}; needs {count} different names"
        )
    try:
        swap = tuple((int(a), int(b)) for a, b in manifest.get("swap", ()))
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"{path}: the manifest's 'swap' needs pairs of point numbers from 0 ({error})"
        ) from error
    try:
        swap_order(count, swap)
    except BadInput as error:
        raise BadInput(f"{path}: the manifest's 'swap': {error}") from error
    return names, swap


def read_landmark_cases(
    path: Path, manifest: Mapping[str, Any], split: str, images: Tensor, scale: Tensor
) -> tuple[LandmarkCase, ...]:
    """The cases of a split, in the order of its rows.

    Raises:
        BadInput: as many cases as rows are not listed, or one is garbled.
    """
    size = tuple(images.shape[-2:])
    listed = manifest.get("cases", {}).get(split)
    if listed is None:  # an image is then a patient of its own, and original as stored
        named = [(f"{split} row {row}", pair) for row, pair in enumerate(scale.tolist())]
        return tuple(
            LandmarkCase(
                id=name,
                patient=name,
                source="",
                original=size,
                scale=tuple(pair),
                factor=(1.0, 1.0),
                offset=(0.0, 0.0),
                content=size,
            )
            for name, pair in named
        )
    if len(listed) != len(images):
        raise BadInput(
            f"{path}: the manifest lists {len(listed)} cases in {split}, the tensor has {len(images)}"
        )
    try:
        cases = tuple(_case(one, size) for one in listed)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{path}: the manifest's cases of {split} lack or garble {error}; build the file again"
        ) from error
    for case in cases:
        if not all(0 < value < math.inf for value in (*case.scale, *case.factor)):
            raise BadInput(
                f"{path}: manifest, case {case.id}: scale {case.scale} or factor {case.factor} is impossible"
            )
    return cases


def _case(one: Mapping[str, Any], size: tuple[int, int]) -> LandmarkCase:
    def pair(values: Any, kind: type) -> tuple:
        first, second = values
        return kind(first), kind(second)

    scale, back = one["scale"], one["to_original"]
    return LandmarkCase(
        id=str(one["id"]),
        patient=str(one["patient"]),
        source=str(one["source"]),
        original=pair(one["original"], int),
        scale=pair(scale if isinstance(scale, list) else (scale, scale), float),
        factor=pair(back["factor"], float),
        offset=pair(back["offset"], float),
        content=pair(one.get("content", size), int),
    )


def check_landmark_patients(path: Path, cases: Mapping[str, Sequence[LandmarkCase]]) -> None:
    """Refuses a patient in two splits, and a case id that appears twice.

    Raises:
        BadInput: names the patient or the case.
    """
    seen: dict[str, str] = {}
    ids: set[str] = set()
    for split, listed in cases.items():
        for case in listed:
            if seen.setdefault(case.patient, split) != split:
                raise BadInput(
                    f"{path}: patient {case.patient} is in both {seen[case.patient]} and {split}; split by "
                    "patient (cmd/build --patient gives the pattern that finds the patient in a file name)"
                )
            if case.id in ids:
                raise BadInput(
                    f"{path}: case {case.id} is there twice; every case needs its own id"
                )
            ids.add(case.id)
