"""Reading the manifest of a dataset file, and checking what it says of the whole file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mos.data.keys import HAS_SLICES
from mos.errors import BadInput

_MANIFEST_TYPES = {"labels": dict, "annotated": list, "cases": dict, "train2d": list}


def read_manifest(path: Path, kind: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The manifest's object; {} for a file without one.

    Raises:
        BadInput: it is no JSON object, or one of its keys has another type than documented.
    """
    text = content.get("manifest")
    if text is None:
        return {}
    try:
        manifest = json.loads(text)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{path}: key 'manifest' is no JSON text ({error})") from error
    if not isinstance(manifest, dict):
        raise BadInput(
            f"{path}: key 'manifest' is a JSON {type(manifest).__name__}, needs an object"
        )
    for key, needed in _MANIFEST_TYPES.items():
        if key in manifest and not isinstance(manifest[key], needed):
            raise BadInput(
                f"{path}: the manifest's {key!r} is a {type(manifest[key]).__name__}, needs a "
                f"{needed.__name__}; build the file again with cmd/build"
            )
    bad = [key for key in manifest.get("labels", ()) if not key.isdecimal() or int(key) > 255]
    if bad:
        raise BadInput(f"{path}: the manifest's 'labels' has id {bad[0]!r}, needs ids 0 to 255")
    if "annotated" in manifest:
        _check_annotated(path, kind, manifest["annotated"], manifest.get("labels"))
    return manifest


def _check_annotated(
    path: Path, kind: str, annotated: Sequence[Any], labels: Mapping[str, str] | None
) -> None:
    """Refuses a list that does not say which ids a file annotates."""
    said = f"{path}: the manifest's 'annotated' is {json.dumps(annotated)}"
    for label in annotated:
        if type(label) is not int or not 1 <= label <= 255:
            raise BadInput(f"{said}, needs whole numbers 1 to 255 such as [1, 2] (0 is background)")
        if labels and label not in map(int, labels):
            raise BadInput(
                f"{said}, but 'labels' names only {sorted(map(int, labels))}, not {label}"
            )
    if len(set(annotated)) != len(annotated):
        raise BadInput(f"{said}: an id appears twice")
    if not annotated and kind in HAS_SLICES:
        raise BadInput(
            f"{said}: nothing can be learnt from a {kind} file without annotated ids; build it with "
            "labels, or as --kind pseudo"
        )


def read_slices(
    path: Path, manifest: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[tuple[int, int], ...]:
    """Where each row of train2d comes from: (row in train3d, slice); () where unknown.

    Raises:
        BadInput: not one pair per row, or a slice that train3d does not have.
    """
    if "train2d" not in tensors:
        return ()
    try:
        slices = tuple((int(row), int(index)) for row, index in manifest.get("train2d", ()))
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"{path}: the manifest's 'train2d' needs pairs [row in train3d, slice] ({error})"
        ) from error
    count, depth = tensors["train3d"].shape[0], tensors["train3d"].shape[2]
    if slices and len(slices) != len(tensors["train2d"]):
        raise BadInput(
            f"{path}: the manifest lists {len(slices)} slices, train2d has {len(tensors['train2d'])}"
        )
    for row, index in slices:
        if not (0 <= row < count and 0 <= index < depth):
            raise BadInput(
                f"{path}: the manifest takes a slice of train2d from row {row}, slice {index}; train3d "
                f"has rows 0-{count - 1} and slices 0-{depth - 1}"
            )
    return slices
