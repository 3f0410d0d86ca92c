"""Named points: which way they map between a stored image and its original, which are on it, which swap."""

from collections.abc import Sequence
from typing import TypeVar

from mos.errors import BadInput

Array = TypeVar("Array")  # of numpy or torch

# Names in the order of published sets; `--points isbi2015` means the list.
NAME_LISTS: dict[str, tuple[str, ...]] = {
    # Wang et al., Medical Image Analysis 31:63-76, 2016: lateral cephalograms.
    "isbi2015": (
        "sella",
        "nasion",
        "orbitale",
        "porion",
        "A point",
        "B point",
        "pogonion",
        "menton",
        "gnathion",
        "gonion",
        "lower incisor",
        "upper incisor",
        "upper lip",
        "lower lip",
        "subnasale",
        "soft pogonion",
        "PNS",
        "ANS",
        "articulare",
    ),
}


def to_original(points: Array, factor, offset) -> Array:
    """Points of a stored image in pixels of its original.

    Pixel centres are whole numbers on both sides.

    Args:
        points: (..., [xy]) in stored pixels.
        factor: ([xy]) original pixels per stored pixel; broadcasts against `points`.
        offset: ([xy]) original pixels that were cut off before the first one kept.
    """
    return (points + 0.5) * factor + offset - 0.5


def to_stored(points: Array, factor, offset) -> Array:
    """The inverse of `to_original`."""
    return (points + 0.5 - offset) / factor - 0.5


def on_image(points: Array, size: Sequence[int]) -> Array:
    """Which points lie on an image: on the area of a pixel, whose centre is a whole number.

    Args:
        points: (..., [xy]) in pixels; nan lies nowhere.
        size: (h, w).

    Returns:
        (...) bool.
    """
    h, w = size
    x, y = points[..., 0], points[..., 1]
    return (x >= -0.5) & (x < w - 0.5) & (y >= -0.5) & (y < h - 0.5)


def swap_order(count: int, pairs: Sequence[Sequence[int]]) -> list[int]:
    """Which point takes the place of each when the image is mirrored: `points[..., order, :]`.

    Args:
        pairs: points that change places, counted from 0; all others stay.

    Raises:
        BadInput: a number that is no point, or a point in two pairs.
    """
    order = list(range(count))
    for first, second in pairs:
        for number in (first, second):
            if not 0 <= number < count:
                raise BadInput(f"swap pair {first}, {second}: there are points 0 to {count - 1}")
            if order[number] != number or first == second:
                raise BadInput(f"swap pair {first}, {second}: a point swaps with one other only")
        order[first], order[second] = second, first
    return order
