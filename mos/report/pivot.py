"""The overview as papers print it: networks by rows, 2-D or 3-D and auxiliary data by columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.report.table import Line


@dataclass(frozen=True, kw_only=True)
class PivotRow:
    """Runs that differ in dimensions and auxiliary data alone."""

    name: str  # network, [tag] and postfix, as in the names of the runs
    cells: dict[tuple[str, str], Line]  # by (dims, aux); a combination nobody trained is not in it


@dataclass(frozen=True, kw_only=True)
class Pivot:
    """One dataset and stage: `columns` are the (dims, aux) that occur, 2-D and no data first."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[PivotRow, ...]


def pivot(lines: Sequence[Line]) -> Pivot:
    """Arranges the lines of an overview of one dataset and stage; every line is in exactly one cell.

    Two runs that would share a cell (names of another shape, for instance) get rows of their own.
    """
    columns = {(line.dims, line.aux) for line in lines}
    cells: dict[tuple, dict[tuple[str, str], Line]] = {}
    for line in sorted(lines, key=lambda line: line.order):
        column, turn = (line.dims, line.aux), 0
        key = (line.network, line.tag, line.postfix)
        while column in cells.get((*key, turn), {}):
            turn += 1
        cells.setdefault((*key, turn), {})[column] = line
    ordered = sorted(columns, key=lambda c: (c[0], c[1] not in ("", "none"), c[1]))
    return Pivot(
        columns=tuple(ordered),
        rows=tuple(
            PivotRow(name=_title(key, cells[key]), cells=cells[key]) for key in sorted(cells)
        ),
    )


def _title(key: tuple, cells: dict[tuple[str, str], Line]) -> str:
    """The row's name; with its runs' own names where a row above has it already."""
    *parts, turn = key
    name = row_name(*parts)
    return f"{name}: {', '.join(line.run for line in cells.values())}" if turn else name


def row_name(network: str, tag: str, postfix: str) -> str:
    """`unet[s] [pretrain]` for network unet, tag s and postfix [pretrain]."""
    return f"{network}{f'[{tag}]' if tag else ''}{f' {postfix}' if postfix else ''}"
