"""Reads a list of points from a CSV with a row for each picture."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mos.errors import BadInput
from mos.io.point_list import PointList, PointRow, read_number, read_scale

# Columns that hold mm per pixel: one for both axes, or one each; the first that is there counts.
SCALE_COLUMNS = (
    ("scale",),
    ("pixel_size_mm",),
    ("pixel_size",),
    ("scale_x", "scale_y"),
    ("px_x_mm", "px_y_mm"),
    ("spacing_x", "spacing_y"),
)
_POINT = re.compile(r"(.+?)[ _.-]?([xy])", re.IGNORECASE)
_UNKNOWN = ("", "nan", "na")


def read_point_csv(path: Path, images: Path | None = None) -> PointList:
    """Reads `file, scale, p1x, p1y, ... pNx, pNy`, and optional columns `patient` and `split`.

    Points are the pairs of columns that end in x and y, `p1x, p1y` or `ofd_left_x, ofd_left_y`, in their
    order; p1 ... pN are named 1 ... N. mm per pixel stand in one of SCALE_COLUMNS. An empty cell or `nan`
    is a point nobody set. Cells are parted by commas, semicolons or tabs.

    Args:
        images: folder of the pictures; None: the CSV's own, or `images` beside it.

    Raises:
        BadInput: a missing column or file, a picture twice, a row with more or fewer cells than the header,
            what is no number.
    """
    header, lines = _table(path)
    columns = {name.lower(): place for place, name in enumerate(header)}
    if "file" not in columns:
        raise BadInput(
            f"{path}: no column 'file'; needs file, scale, p1x, p1y, ... and found {', '.join(header)}"
        )
    scale = next((own for own in SCALE_COLUMNS if all(c in columns for c in own)), ())
    named = {"file", "patient", "split", *scale}
    pairs = _pairs(path, header, named)
    used = {columns[name] for name in named if name in columns}
    used |= {place for pair in pairs.values() for place in pair}
    rows, seen = [], {}
    for line, cells in lines:
        where = f"{path} line {line}"
        if len(cells) != len(header):
            raise BadInput(
                f"{where}: {len(cells)} cells, but the header has {len(header)}: every row needs the same "
                f"{len(pairs)} points (leave the cells of a point nobody set empty)"
            )
        file = _existing(where, cells[columns["file"]].strip(), path.parent, images)
        if (first := seen.setdefault(file.resolve(), line)) != line:
            raise BadInput(f"{where}: {file} stands in line {first} already; take one of them out")
        points = [
            [_coordinate(where, header[p], cells[p]) for p in pair] for pair in pairs.values()
        ]
        unset = [np.isnan(point).sum() for point in np.array(points)]
        if 1 in unset:
            name = list(pairs)[unset.index(1)]
            raise BadInput(f"{where}: point {name} has only one of x and y; give both or neither")
        sizes = [read_scale(where, c, cells[columns[c]]) for c in scale]
        rows.append(
            PointRow(
                where=where,
                file=file,
                points=np.array(points),
                scale=(sizes[0], sizes[-1]) if sizes else None,
                patient=_optional(where, cells, columns, "patient"),
                split=_optional(where, cells, columns, "split"),
            )
        )
    if not rows:
        raise BadInput(f"{path}: a header and no rows; needs a row for each picture")
    unused = tuple(name for place, name in enumerate(header) if place not in used)
    return PointList(path=path, names=_names(list(pairs)), rows=tuple(rows), unused=unused)


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows with their line numbers; empty lines are passed over."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as UTF-8 text ({error})") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise BadInput(f"{path} line {reader.line_num}: no CSV ({error})") from error
    if not lines:
        raise BadInput(f"{path}: the file is empty; needs file, scale, p1x, p1y, ...")
    header = [name.strip() for name in lines[0][1]]
    if twice := [name for name in header if header.count(name) > 1]:
        raise BadInput(f"{path}: column {twice[0]!r} is there twice")
    return header, lines[1:]


def _pairs(path: Path, header: Sequence[str], named: set[str]) -> dict[str, tuple[int, int]]:
    """Columns (x, y) of each point by its name, in their order."""
    found: dict[str, dict[str, int]] = {}
    for place, name in enumerate(header):
        match = _POINT.fullmatch(name)
        if match and name.lower() not in named:
            found.setdefault(match[1], {})[match[2].lower()] = place
    pairs = {name: (own["x"], own["y"]) for name, own in found.items() if len(own) == 2}
    if not pairs:
        raise BadInput(
            f"{path}: no pair of columns such as p1x, p1y or nose_x, nose_y; found {', '.join(header)}"
        )
    for name, own in found.items():  # `sex` and `index` are no halves of points, `p7x` is
        if len(own) == 1 and name.rstrip("0123456789") in {n.rstrip("0123456789") for n in pairs}:
            (axis,) = own
            other = "y" if axis == "x" else "x"
            raise BadInput(f"{path}: point {name} has a column for {axis}, none for {other}")
    return pairs


def _names(stems: list[str]) -> tuple[str, ...]:
    """p1 ... pN become 1 ... N; other names stay."""
    plain = [re.fullmatch(r"[a-zA-Z]?(\d+)", stem) for stem in stems]
    if all(plain) and len({match[1] for match in plain}) == len(stems):
        return tuple(match[1] for match in plain)
    return tuple(stems)


def _existing(where: str, name: str, beside: Path, images: Path | None) -> Path:
    if not name:
        raise BadInput(f"{where}: column 'file' is empty")
    places = [images] if images else [beside, beside / "images"]
    found = [place / name for place in places if (place / name).is_file()]
    if not found:
        raise BadInput(
            f"{where}: no such file {name} in {' or '.join(map(str, places))}; give the folder with --images"
        )
    return found[0]


def _coordinate(where: str, column: str, text: str) -> float:
    if text.strip().lower() in _UNKNOWN:
        return math.nan
    return read_number(where, column, text)


def _optional(
    where: str, cells: Sequence[str], columns: Mapping[str, int], name: str
) -> str | None:
    if name not in columns:
        return None
    if not (text := cells[columns[name]].strip()):
        raise BadInput(
            f"{where}: column {name!r} is empty; fill it in every row or drop the column"
        )
    return text
