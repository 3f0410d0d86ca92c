"""Label files as annotators see and return them: read, checked against the grid, named and coloured."""

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mos.errors import BadInput
from mos.io.geometry import Grid, same_grid, turn_onto
from mos.io.labels import whole_labels
from mos.io.read import read_grid, read_label


def read_ids(path: Path) -> np.ndarray:
    """Label ids (d, h, w) uint8 of a file of ours, on its own grid.

    Raises:
        BadInput: unreadable, or values that are no ids.
    """
    import SimpleITK as sitk

    return whole_labels(sitk.GetArrayFromImage(read_label(path)))


def read_corrected(path: Path, reference: Path, allowed: Sequence[int]) -> np.ndarray:
    """Label ids (d, h, w) uint8 of a corrected file, on the grid of the file that was handed out.

    Axes may have been stored in another order or direction; every voxel must lie where it lay.

    Args:
        reference: the label file that was handed out.
        allowed: ids that may occur, besides background.

    Raises:
        BadInput: unreadable, another grid, values that are no ids, or ids that nobody knows.
    """
    import SimpleITK as sitk

    label, wanted = read_label(path), read_grid(reference)[0]
    own = Grid.of(label)
    turn = turn_onto(own, wanted)
    if not same_grid(turn.grid(own), wanted):
        raise BadInput(
            f"{path}: lies on another grid than the image it belongs to\n  found:  {own.describe()}\n"
            f"  needed: {wanted.describe()}\n  Save it again as a label map on the image's own grid (in 3D "
            "Slicer: export the segmentation as labelmap with the image as reference volume)"
        )
    try:
        ids = whole_labels(turn.array(sitk.GetArrayFromImage(label)))
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    counts = np.bincount(ids.ravel(), minlength=256)
    unknown = [int(i) for i in np.flatnonzero(counts) if i and int(i) not in allowed]
    if unknown:
        told = ", ".join(f"{i} ({counts[i]} voxels)" for i in unknown)
        raise BadInput(
            f"{path}: holds label id {told}; known here are 0 and {', '.join(map(str, allowed))}. Paint these "
            "voxels with one of them; README.txt in the batch's folder says what each means"
        )
    return ids


def itksnap_labels(names: Mapping[int, str]) -> str:
    """An ITK-SNAP label description file: Segmentation > Import Label Descriptions."""
    lines = ["# ITK-SnAP Label Description File", "# IDX R G B A VIS MSH LABEL"]
    lines.append('    0     0    0    0        0  0  0    "Clear Label"')
    for label in sorted(set(names) - {0}):
        r, g, b = colour(label)
        name = names[label].replace('"', "'")
        lines.append(f'{label:5d} {r:5d} {g:4d} {b:4d}        1  1  1    "{name}"')
    return "\n".join(lines) + "\n"


def slicer_labels(names: Mapping[int, str]) -> str:
    """A 3D Slicer colour table (.ctbl): drop it onto the window, names have no blanks there."""
    lines = ["# 3D Slicer colour table", "0 background 0 0 0 0"]
    for label in sorted(set(names) - {0}):
        lines.append(f"{label} {'_'.join(names[label].split())} {_spaced(colour(label))} 255")
    return "\n".join(lines) + "\n"


def colour(label: int) -> tuple[int, int, int]:
    """Red, green, blue 0-255 of a label id: hues 62 degrees apart, as in the pictures of a run."""
    r, g, b = colorsys.hsv_to_rgb((62 * (label - 1) % 360) / 360, 1, 1)
    return round(255 * r), round(255 * g), round(255 * b)


def _spaced(values: Sequence[int]) -> str:
    return " ".join(map(str, values))
