"""A list of pictures and the points on them, however it was written."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mos.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class PointRow:
    """One picture of a list."""

    where: str  # for messages: `landmarks.csv line 7`
    file: Path | None  # None: picture `number` of a stack
    number: int = 0  # of the picture in its stack, from 0
    points: np.ndarray  # (point_count, [xy]) float64 pixels, nan: unknown
    scale: tuple[float, float] | None  # mm per pixel along x, y; None: the list does not say
    patient: str | None = None
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointList:
    """What a list says."""

    path: Path
    names: tuple[str, ...]  # of the points
    rows: tuple[PointRow, ...]
    unused: tuple[str, ...] = ()  # columns nothing was read from


def read_number(where: str, what: str, value: Any) -> float:
    """A finite number.

    Args:
        where, what: of the value, for the message.

    Raises:
        BadInput: it is none.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.inf
    if not math.isfinite(number):
        raise BadInput(f"{where}: {what} is {value!r}, needs a number")
    return number


def read_scale(where: str, column: str, value: Any) -> float:
    """Millimetres per pixel.

    Raises:
        BadInput: no number above 0.
    """
    scale = read_number(where, column, value)
    if scale <= 0:
        raise BadInput(f"{where}: {column} is {value!r}, needs mm per pixel above 0")
    return scale
