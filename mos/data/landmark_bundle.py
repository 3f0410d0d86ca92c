"""Opening a dataset file of landmarks: everything it promises is checked here, and said when broken."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mos.data.bundle import load_content
from mos.data.bundle_cases import form
from mos.data.digest import content_digest
from mos.data.landmark_cases import (
    LandmarkCase as LandmarkCase,
    check_landmark_patients,
    read_landmark_cases,
    read_landmark_manifest,
    read_names,
)
from mos.data.points import on_image
from mos.errors import BadInput

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True)
class LandmarkBundle:
    """A dataset file, mapped into memory: pixels are read from disk when they are used."""

    path: Path
    images: Mapping[str, Tensor]  # by split, (n, ch, h, w) uint8
    points: Mapping[str, Tensor]  # by split, (n, point_count, [xy]) float32 pixels, nan: unknown
    visible: Mapping[str, Tensor]  # by split, (n, point_count) bool: learnt and scored
    scale: Mapping[str, Tensor]  # by split, (n, [xy]) float32 mm per stored pixel
    names: tuple[str, ...]  # of the points
    swap: tuple[tuple[int, int], ...]  # points that change places in a mirror, counted from 0
    cases: Mapping[str, Sequence[LandmarkCase]]  # by split, in the order of the rows
    manifest: Mapping[str, Any]  # {} for a file without one

    @property
    def channels(self) -> int:
        return self.images["train"].shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the stored images."""
        return tuple(self.images["train"].shape[-2:])


def open_landmarks(path: Path) -> LandmarkBundle:
    """Opens and checks a dataset file.

    Raises:
        BadInput: missing, truncated or foreign file; a key, shape, type, count or value that breaks the
            documented contract; a patient in two splits.
    """
    content = load_content(path)
    images = {split: _tensor(path, content, split, torch.uint8, 4, _IMAGE) for split in SPLITS}
    _check_alike(path, images)
    points, visible, scale = {}, {}, {}
    for split in SPLITS:
        key = f"{split}_points"
        points[split] = _tensor(path, content, key, torch.float32, 3, _POINTS)
        visible[split] = _tensor(path, content, f"{split}_visible", torch.uint8, 2, _VISIBLE)
        scale[split] = _tensor(path, content, f"{split}_scale", torch.float32, 2, _SCALE)
        _check_rows(path, split, images[split], points[split], visible[split], scale[split])
        _check_values(path, split, images[split], points[split], visible[split], scale[split])
    count = points["train"].shape[1]
    for split in SPLITS:
        if points[split].shape[1] != count:
            raise BadInput(
                f"{path}: {split}_points has {points[split].shape[1]} points, train_points has {count}; "
                "every split needs the same ones"
            )
    manifest = read_landmark_manifest(path, content)
    names, swap = read_names(path, manifest, count)
    cases = {
        split: read_landmark_cases(path, manifest, split, images[split], scale[split])
        for split in SPLITS
    }
    check_landmark_patients(path, cases)
    return LandmarkBundle(
        path=path,
        images=images,
        points=points,
        visible={split: tensor.bool() for split, tensor in visible.items()},
        scale=scale,
        names=names,
        swap=swap,
        cases=cases,
        manifest=manifest,
    )


def landmark_hash(bundle: LandmarkBundle) -> str:
    """A hash of what the file holds, whenever and by whichever command it was made.

    Returns:
        SHA-256 in hex; with `blocks-` before it where more than 1 GiB was sampled (`content_digest`).
    """
    arrays = {}
    for split in SPLITS:
        arrays[split] = bundle.images[split].numpy()
        arrays[f"{split}_points"] = bundle.points[split].numpy()
        arrays[f"{split}_visible"] = bundle.visible[split].numpy()
        arrays[f"{split}_scale"] = bundle.scale[split].numpy()
    said = {key: value for key, value in bundle.manifest.items() if key != "created"}
    return content_digest(arrays, json.dumps(said, sort_keys=True))


_IMAGE = "(n, ch, h, w) uint8"
_POINTS = "(n, point_count, 2) float32: x, y in pixels"
_VISIBLE = "(n, point_count) uint8: 1 counts, 0 is masked"
_SCALE = "(n, 2) float32: mm per pixel along x, y"


def _tensor(
    path: Path, content: Mapping[str, Any], key: str, dtype: torch.dtype, ndim: int, needed: str
) -> Tensor:
    if key not in content:
        keys = ", ".join(sorted(map(str, content))) or "none"
        raise BadInput(
            f"{path}: key {key!r} is missing; a landmark file needs {key} {needed}; keys found: {keys}"
        )
    tensor = content[key]
    if not isinstance(tensor, Tensor):
        raise BadInput(f"{path}: key {key!r} is a {type(tensor).__name__}, needs {needed}")
    if tensor.ndim != ndim or tensor.dtype != dtype:
        raise BadInput(f"{path}: key {key!r} is {form(tensor)}, needs {needed}")
    return tensor


def _check_alike(path: Path, images: Mapping[str, Tensor]) -> None:
    shapes = {split: tuple(tensor.shape[1:]) for split, tensor in images.items()}
    if len(set(shapes.values())) > 1 or 0 in shapes["train"]:
        raise BadInput(
            f"{path}: images (ch, h, w) are {shapes}; every split needs the same, none of them 0"
        )


def _check_rows(
    path: Path, split: str, images: Tensor, points: Tensor, visible: Tensor, scale: Tensor
) -> None:
    n, count = len(images), points.shape[1]
    needed = {
        f"{split}_points": (points, (n, max(count, 1), 2)),
        f"{split}_visible": (visible, (n, count)),
        f"{split}_scale": (scale, (n, 2)),
    }
    for key, (tensor, shape) in needed.items():
        if tuple(tensor.shape) != shape:
            raise BadInput(
                f"{path}: key {key!r} is {form(tensor)}, needs {shape}: {split} has {n} images"
            )


def _check_values(
    path: Path, split: str, images: Tensor, points: Tensor, visible: Tensor, scale: Tensor
) -> None:
    if visible.numel() and int(visible.max()) > 1:
        raise BadInput(f"{path}: {split}_visible holds {int(visible.max())}; needs 0 or 1")
    if points.isinf().any():
        raise BadInput(f"{path}: {split}_points holds infinity; needs pixels, or nan for unknown")
    wrong = (visible == 1) & ~on_image(points, images.shape[-2:])
    if wrong.any():
        row, point = wrong.nonzero()[0].tolist()
        x, y = points[row, point].tolist()
        raise BadInput(
            f"{path}: {split} row {row}, point {point + 1} is marked visible at ({x:g}, {y:g}), which is not "
            f"on the image of {images.shape[-1]} x {images.shape[-2]} pixels; mask it with 0"
        )
    if not (scale.isfinite() & (scale > 0)).all():
        raise BadInput(f"{path}: {split}_scale needs mm per pixel above 0 in every row")
