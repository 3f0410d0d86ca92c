"""One slice as a picture: image, labels, both, or errors, filled or outlined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mos.report.case_images import CaseImages, error_map
from mos.report.colour import Palette, error_colours, label_colours

PARTS = {
    "image": "image",
    "reference": "reference",
    "prediction": "prediction",
    "image+reference": "image + reference",
    "image+prediction": "image + prediction",
    "error": "error map",
    "image+error": "image + error map",
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How slices are drawn."""

    palette: Palette = "safe"
    outline: bool = False  # outlines of what would be filled, where the image lies below
    opacity: float = 0.6  # of fills over the image
    channel: int = 0  # of the image
    labels: tuple[int, ...] | None = None  # whose errors are shown; None: the scored ones


@dataclass(frozen=True, kw_only=True)
class Writing:
    """A word on a picture."""

    text: str
    x: float  # pixels from the upper left corner, of its middle
    y: float
    points: float  # size of its letters
    colour: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture of one slice, row 0 on top, and lines and words over it."""

    rgb: np.ndarray  # (h, w, 3) uint8
    # By colour (r, g, b): (n, 2, 2) ends (x, y) of lines, in voxels from the upper left corner.
    lines: tuple[tuple[tuple[int, int, int], np.ndarray], ...] = ()
    words: tuple[Writing, ...] = ()


def make_tile(images: CaseImages, index: int, part: str, look: Look) -> Tile:
    """Draws a slice.

    Args:
        index: of the slice among the real ones, 0..d-1.
        part: a key of PARTS.
    """
    grey = np.repeat(images.image[look.channel, index][..., None], 3, axis=2)
    if part == "image":
        return Tile(grey)
    ids, colours = _ids(images, index, part.removeprefix("image+"), look)
    if not part.startswith("image+"):
        return Tile(colours[ids])
    if not look.outline:
        return Tile(blend(grey, ids, colours, look.opacity))
    present = [label for label in np.unique(ids) if label]
    lines = [(tuple(map(int, colours[k])), outline(ids == k, inner=True)) for k in present]
    return Tile(grey, tuple(lines))


def blend(grey: np.ndarray, ids: np.ndarray, colours: np.ndarray, opacity: float) -> np.ndarray:
    """The image with colours over it where an id is not 0.

    Args:
        grey: (h, w, 3) uint8.
        ids: (h, w) label ids.
        colours: (ids, 3) uint8.
        opacity: 0, only image, to 1, only colour.
    """
    mixed = (1 - opacity) * grey + opacity * colours[ids]
    return np.where(ids[..., None] > 0, np.rint(mixed), grey).astype(np.uint8)


def outline(mask: np.ndarray, inner: bool = False) -> np.ndarray:
    """The border of a region along the edges of its voxels, straight runs as one line each.

    Args:
        mask: (h, w) bool.
        inner: a tenth of a voxel inside the border, so that neighbouring regions both show.

    Returns:
        (n, 2, 2) float64: the two ends (x, y) of every line, in voxels from the upper left corner;
        voxel (row, column) fills x column..column + 1 and y row..row + 1.
    """
    shift = 0.1 if inner else 0.0
    padded = np.pad(mask, 1)
    lines = []
    # The left and right sides first, then the same of the transposed mask: its upper and lower ones.
    for block, flipped in ((padded, False), (padded.T, True)):
        for side, inwards in ((-1, shift), (1, -shift)):
            edge = block & ~np.roll(block, -side, axis=1)
            for start, stop, column in _runs(edge.T):
                x = column - 1 + (side > 0) + inwards
                ends = np.array([[x, start - 1], [x, stop - 1]])
                lines.append(ends[:, ::-1] if flipped else ends)
    return np.array(lines, dtype=float).reshape(-1, 2, 2)


def _runs(rows: np.ndarray) -> list[tuple[int, int, int]]:
    """(start, stop, row) of every run of True along the rows of a 2-D mask."""
    padded = np.pad(rows, ((0, 0), (1, 1))).astype(np.int8)
    change = np.diff(padded, axis=1)
    row, start = np.nonzero(change == 1)
    _, stop = np.nonzero(change == -1)
    return list(zip(start.tolist(), stop.tolist(), row.tolist(), strict=True))


def _ids(images: CaseImages, index: int, part: str, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """The ids (h, w) of a part, and their colours."""
    if part == "error":
        wanted = images.scored if look.labels is None else look.labels
        ids = error_map(images.reference[index], images.prediction[index], wanted)
        return ids, error_colours(look.palette)
    return getattr(images, part)[index], label_colours(look.palette)


def shown_labels(many: Sequence[CaseImages], parts: Sequence[str]) -> dict[int, str]:
    """The labels of a legend: those that any reference or prediction holds, by name."""
    found: dict[int, str] = {}
    arrays = [name for name in ("reference", "prediction") if any(name in part for part in parts)]
    for images in many:
        ids = set().union(*(np.unique(getattr(images, name)).tolist() for name in arrays))
        found |= {label: images.labels.get(label, str(label)) for label in ids if label}
    return dict(sorted(found.items()))
