"""Rows and columns of pictures at their true proportions, with headings, corners and a legend."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.report.figure_canvas import Entry, Page, legend_height, line_height
from mos.report.figure_tile import Tile

MARGIN, SPACE = 2.0, 0.7  # mm around the figure, and between its pictures
_TITLE, _HEAD = 8.0, 7.0  # points
_TAIL = 0.55  # mm that letters such as p reach below their line


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """A picture and what is written on it."""

    tile: Tile
    size: tuple[float, float]  # (h, w) mm of the patient
    corner: str = ""  # upper left
    scores: Sequence[tuple[str, bool]] = ()  # lower left: lines, and whether they are bold
    bar: bool = False  # a scale bar


@dataclass(frozen=True)
class Gap:
    """A place without a picture, and why."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A figure; a cell that is None stays white."""

    cells: Sequence[Sequence[Cell | Gap | None]]  # by rows
    columns: Sequence[str] = ()  # headings above the columns
    captions: Sequence[Sequence[str]] = ()  # headings above every cell instead, by rows
    rows: Sequence[str] = ()  # headings at the left, turned; \n begins a new line
    title: Sequence[str] = ()  # lines above everything, the first one bold
    legend: Sequence[Entry] = ()
    # Every row as wide as the figure, whatever it shows; else one scale for the whole figure.
    own_scales: bool = False


def draw(grid: Grid, tile_mm: float, dpi: int) -> Page:
    """Puts a figure together.

    Args:
        tile_mm: width of a column on the page.
        dpi: pixels per inch of PNG files.
    """
    count = max(map(len, grid.cells))
    scales = _scales(grid, tile_mm)
    heights = [_row_height(row, scale, tile_mm) for row, scale in zip(grid.cells, scales)]
    sides = [text.split("\n") for text in grid.rows]
    left = MARGIN + side_width(grid.rows)
    inner = count * tile_mm + (count - 1) * SPACE
    scratch = Page(left + inner + MARGIN, 10, 100)

    title = [
        (line, number == 0)
        for number, text in enumerate(grid.title)
        for line in scratch.wrap(text, inner, _TITLE, number == 0)
    ]
    # Narrow columns have smaller headings, so that names are not cut inside words.
    size = min(_HEAD, max(4.0, tile_mm / 3.5))
    heads = [scratch.wrap(text, tile_mm - SPACE, size) for text in grid.columns]
    captions = [
        [scratch.wrap(text, tile_mm - SPACE, size) for text in row] for row in grid.captions
    ]
    above = [_lines_height(row, size) for row in captions] or [0.0] * len(heights)
    top = MARGIN + len(title) * line_height(_TITLE) + _lines_height(heads, size)
    below = legend_height(grid.legend, inner)
    total = top + sum(heights) + sum(above) + (len(heights) - 1) * SPACE + MARGIN
    page = Page(left + inner + MARGIN, total + (below + SPACE if below else 0), dpi)

    for number, (line, bold) in enumerate(title):
        y = MARGIN + (number + 0.75) * line_height(_TITLE)
        page.text(line, left, y, size=_TITLE, bold=bold, down="baseline")
    for column, lines in enumerate(heads):
        _head(page, lines, left + column * (tile_mm + SPACE), top, tile_mm, size)
    y = top
    for row, height in enumerate(heights):
        y += above[row]
        for column, cell in enumerate(grid.cells[row]):
            x = left + column * (tile_mm + SPACE)
            if captions:
                _head(page, captions[row][column], x, y, tile_mm, size)
            _place(page, cell, x, y, tile_mm, height, scales[row])
        for number, line in enumerate(sides[row] if sides else ()):
            fits = min(1.0, height / max(page.text_width(line, _HEAD), 1e-9))
            page.text(
                line, MARGIN + (number + 0.5) * line_height(_HEAD), y + height / 2,
                size=_HEAD * fits, across="center", down="center", turned=True,
            )  # fmt: skip
        y += height + SPACE
    if grid.legend:
        page.legend(grid.legend, left, y + SPACE, inner)
    return page


def side_width(rows: Sequence[str]) -> float:
    """mm that headings at the left need."""
    lines = max((text.count("\n") + 1 for text in rows), default=0)
    return lines * line_height(_HEAD) + (SPACE if lines else 0)


def _scales(grid: Grid, tile_mm: float) -> list[float]:
    """mm on the page for one mm of the patient, of every row."""
    widest = [max((c.size[1] for c in row if isinstance(c, Cell)), default=0) for row in grid.cells]
    most = max(widest)
    return [tile_mm / ((own if grid.own_scales else most) or most or tile_mm) for own in widest]


def _row_height(row: Sequence[Cell | Gap | None], scale: float, tile_mm: float) -> float:
    return max((c.size[0] * scale for c in row if isinstance(c, Cell)), default=tile_mm)


def _lines_height(heads: Sequence[Sequence[str]], size: float) -> float:
    most = max((len(lines) for lines in heads if any(lines)), default=0)
    return most * line_height(size) + (SPACE if most else 0)


def _head(
    page: Page, lines: Sequence[str], x: float, bottom: float, width: float, size: float
) -> None:
    # Line by line on baselines: boxes of words with and without tails end at different heights.
    for above, line in enumerate(reversed(lines)):
        y = bottom - SPACE - _TAIL - above * line_height(size)
        page.text(line, x + width / 2, y, size=size, across="center", down="baseline")


def _place(
    page: Page,
    cell: Cell | Gap | None,
    x: float,
    y: float,
    width: float,
    height: float,
    scale: float,
) -> None:
    """Puts a picture into the middle of its place."""
    if cell is None:
        return
    if isinstance(cell, Gap):
        page.gap(cell.text, x, y, width, height)
        return
    high, wide = (side * scale for side in cell.size)
    left, top = x + (width - wide) / 2, y + (height - high) / 2
    page.tile(cell.tile, left, top, wide, high)
    size = min(6.5, max(3.2, width / 4.6))
    pad = 0.035 * width
    if cell.corner:
        page.text(cell.corner, left + pad, top + pad, size=size, over_image=True)
    for above, (line, bold) in enumerate(reversed(cell.scores)):
        y = top + high - pad - above * line_height(size)
        page.text(line, left + pad, y, size=size, bold=bold, down="bottom", over_image=True)
    if cell.bar:
        page.scale_bar(left, top, wide, high, scale)
