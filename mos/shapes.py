"""The shape alphabet: `bs, ch, d, h, w, label_count`, and the one place where xyz becomes dhw.

Images, segmentations, sizes and spacing run (d, h, w) = (z, y, x). Vectors, points and affines run
(x, y, z). Coordinates are LPS: x grows to the patient's left, y to the back, z to the head.
"""

from collections.abc import Iterable, Sequence

from mos.errors import BadInput


def flip_xyz_dhw(values: Sequence) -> tuple:
    """Turns a triple (x, y, z) into (d, h, w), or back: the same reversal both ways."""
    if len(values) not in (2, 3):
        raise ValueError(f"needs 2 or 3 values, got {len(values)}")
    return tuple(reversed(values))


def parse_sizes(text: str) -> tuple[int, ...]:
    """Reads `16,128,128` as (16, 128, 128): whole numbers of voxels, two (h, w) or three (d, h, w).

    Raises:
        BadInput: not two or three non-negative whole numbers.
    """
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if len(sizes) not in (2, 3) or min(sizes) < 0:
        raise BadInput(
            f"size {text!r}: needs h,w or d,h,w in voxels, such as 128,128 or 16,128,128"
        )
    return sizes


def parse_spacing(text: str) -> tuple[float, float, float]:
    """Reads `10,1.5,1.5` as millimetres along (d, h, w); 0 means "as it is".

    Raises:
        BadInput: not three non-negative numbers.
    """
    try:
        spacing = tuple(float(part) for part in text.split(","))
    except ValueError:
        spacing = ()
    if len(spacing) != 3 or not all(0 <= value < float("inf") for value in spacing):
        raise BadInput(f"spacing {text!r}: needs d,h,w in mm, such as 10,1.5,1.5")
    return spacing


def format_numbers(values: Iterable[float]) -> str:
    """Numbers as `parse_sizes` and `parse_spacing` read them: (10.0, 1.5, 1.5) -> `10,1.5,1.5`."""
    return ",".join(f"{value:g}" for value in values)


def parse_labels(text: str) -> tuple[int, ...]:
    """Reads a label list such as `1,3-5,8` as (1, 3, 4, 5, 8), ascending; empty text is ().

    Raises:
        BadInput: a part that is no number or range, a range that runs down, an id outside 1..255, an id twice.
    """
    labels: list[int] = []
    for part in text.split(",") if text else []:
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise BadInput(f"label list {text!r}: {part!r} is no id or range; write 1,3-5,8")
        start, stop = int(first), int(last or first)
        if start > stop:
            raise BadInput(f"label list {text!r}: range {part!r} runs down; write {stop}-{start}")
        if start < 1 or stop > 255:
            raise BadInput(f"label list {text!r}: {part!r} is outside 1-255 (0 is background)")
        labels.extend(range(start, stop + 1))
    if len(set(labels)) != len(labels):
        raise BadInput(f"label list {text!r}: an id appears twice")
    return tuple(sorted(labels))


def format_labels(labels: Iterable[int]) -> str:
    """The inverse of `parse_labels`: (1, 3, 4, 5, 8) -> `1,3-5,8`."""
    runs: list[list[int]] = []
    for label in sorted(labels):
        if runs and label == runs[-1][1] + 1:
            runs[-1][1] = label
        else:
            runs.append([label, label])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
