"""A page in millimetres on which figures are put together: pictures, words, scale bars, legends.

Written as PNG, PDF or SVG by matplotlib without a display. The font is the one matplotlib ships, but for letters
that it lacks (see `figure_font`); user settings of matplotlib change nothing, and no text is read as a formula.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mos.errors import BadInput
from mos.files import atomic_path
from mos.report.colour import hex_colour
from mos.report.figure_font import drawable, font
from mos.report.figure_tile import Tile

FORMATS = ("png", "pdf", "svg")
INK, GAP_FILL, GAP_INK = "#1a1a1a", "#ececec", "#5c5c5c"
_INCH = 25.4
_POINT = _INCH / 72  # mm
_MOST_PIXELS = 20000  # along a side; image viewers and LaTeX give up not far above
_BAR_STEPS = (1, 2, 5)
# Of a legend: a name and its colour (3,); without a colour a heading that begins a line.
Entry = tuple[str, np.ndarray | None]


class Page:
    """A white page; places and sizes are mm from its upper left corner."""

    def __init__(self, width: float, height: float, dpi: int):
        self.width, self.height, self._dpi = width, height, dpi
        if max(width, height) / _INCH * dpi > _MOST_PIXELS:
            raise BadInput(
                f"a figure of {width:.0f} x {height:.0f} mm at {dpi} dpi would have more than {_MOST_PIXELS} "
                "pixels on a side; give a smaller --dpi or --tile_mm, fewer slices or fewer cases"
            )
        with _own_settings():
            self._figure = Figure((width / _INCH, height / _INCH), dpi=dpi, facecolor="white")
            FigureCanvasAgg(self._figure)
            self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
        self._axes.axis("off")

    def tile(self, tile: Tile, left: float, top: float, width: float, height: float) -> None:
        """Puts a picture into a rectangle, voxels as they are."""
        self._axes.imshow(
            tile.rgb,
            extent=(left, left + width, top + height, top),
            interpolation="nearest",
            aspect="auto",
            origin="upper",
        )
        rows, columns = tile.rgb.shape[:2]
        for colour, lines in tile.lines:
            ends = lines * (width / columns, height / rows) + (left, top)
            self._axes.add_collection(
                LineCollection(
                    ends, colors=[hex_colour(colour)], linewidths=0.7, capstyle="projecting"
                ),
                autolim=False,
            )
        for word in tile.words:
            x, y = left + word.x * width / columns, top + word.y * height / rows
            self.text(
                word.text, x, y, size=word.points, colour=hex_colour(word.colour), across="center",
                down="center", rimmed=True,
            )  # fmt: skip

    def gap(self, text: str, left: float, top: float, width: float, height: float) -> None:
        """A grey field that says why there is no picture."""
        box = Rectangle(
            (left, top), width, height, facecolor=GAP_FILL, edgecolor="#bdbdbd", linewidth=0.5
        )
        self._axes.add_patch(box)
        size = min(7.0, max(3.5, width / 4.5))
        lines = self.wrap(text, width * 0.92, size)
        self.text(
            "\n".join(lines), left + width / 2, top + height / 2, size=size, colour=GAP_INK,
            across="center", down="center",
        )  # fmt: skip

    def text(
        self,
        text: str,
        x: float,
        y: float,
        *,
        size: float = 7,
        colour: str = INK,
        bold: bool = False,
        across: str = "left",
        down: str = "top",
        over_image: bool = False,
        rimmed: bool = False,
        turned: bool = False,
    ) -> None:
        """Writes text; over an image it is white with a dark rim, readable on any grey.

        Args:
            size: points.
            across: which part of the text is at `x`: left, center, right.
            down: which part of the text is at `y`: top, center, baseline, bottom.
            rimmed: the dark rim around `colour`.
            turned: reads upwards.
        """
        text, families = drawable(text)
        rim = [patheffects.withStroke(linewidth=size / 5, foreground="black")]
        self._axes.text(
            x,
            y,
            text,
            fontproperties=font(size, bold, families),
            color="white" if over_image else colour,
            ha=across,
            va=down,
            rotation=90 if turned else 0,
            rotation_mode="default",
            linespacing=1.15,
            parse_math=False,
            path_effects=rim if over_image or rimmed else None,
        )

    def scale_bar(
        self, left: float, top: float, width: float, height: float, mm_per_mm: float
    ) -> None:
        """A bar of a round length in the lower right corner of a picture.

        Args:
            left, top, width, height: of the picture on the page.
            mm_per_mm: mm on the page for one mm of the patient.
        """
        length = round_length(0.4 * width / mm_per_mm)
        size = min(6.0, max(3.5, width / 5))
        pad, thick = 0.05 * min(width, height), 0.25
        right, y = left + width - pad, top + height - pad
        ends = (right - length * mm_per_mm, right)
        self._axes.add_patch(
            Rectangle(
                (ends[0], y - 2 * thick), ends[1] - ends[0], 2 * thick, facecolor="white",
                edgecolor="black", linewidth=0.3,
            )
        )  # fmt: skip
        self.text(
            f"{length:g} mm", sum(ends) / 2, y - 3 * thick, size=size, across="center",
            down="bottom", over_image=True,
        )  # fmt: skip

    def legend(self, entries: Sequence[Entry], left: float, top: float, width: float) -> None:
        """Coloured squares with names, in as many lines as they need (see `legend_height`)."""
        for (name, colour), x, line in _legend_places(self, entries, width):
            y = top + line * _LEGEND_LINE
            if colour is None:
                self.text(name, left + x, y + _SQUARE - 0.4, size=7, down="baseline")
                continue
            self._axes.add_patch(
                Rectangle(
                    (left + x, y), _SQUARE, _SQUARE, facecolor=hex_colour(colour),
                    edgecolor=INK, linewidth=0.3,
                )
            )  # fmt: skip
            self.text(name, left + x + _SQUARE + 1, y + _SQUARE - 0.4, size=7, down="baseline")

    def text_width(self, text: str, size: float, bold: bool = False) -> float:
        """mm that a line of text takes."""
        text, families = drawable(text)
        letters = font(size, bold, families)
        renderer = self._figure.canvas.get_renderer()
        pixels, _, _ = renderer.get_text_width_height_descent(text, letters, False)
        return pixels / self._dpi * _INCH

    def wrap(self, text: str, width: float, size: float, bold: bool = False) -> list[str]:
        """Cuts text into lines of at most `width` mm, at spaces and hyphens where there are some."""
        lines = [""]
        text, _ = drawable(text)  # before it is cut: what stands for a letter may be longer
        for word in _words(text):
            joined = lines[-1] + word
            if self.text_width(joined.rstrip(), size, bold) <= width:
                lines[-1] = joined
                continue
            if lines[-1]:
                lines.append("")
            for letter in word:
                if lines[-1] and self.text_width(lines[-1] + letter, size, bold) > width:
                    lines.append("")
                lines[-1] += letter
        return [line.strip() for line in lines]

    def save(self, path: Path) -> None:
        """Writes the page atomically; the ending (png, pdf, svg) says as what. No date is written.

        Raises:
            BadInput: the disk is full or the folder cannot be written to.
        """
        dates = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
        with _own_settings(), atomic_path(path) as temporary:
            self._figure.savefig(temporary, dpi=self._dpi, metadata=dates[path.suffix])


_SQUARE, _LEGEND_LINE, _LEGEND_GAP = 2.4, 4.0, 4.0


def legend_height(entries: Sequence[Entry], width: float) -> float:
    """mm that a legend needs on a page of `width` mm."""
    if not entries:
        return 0.0
    scratch = Page(width, 10, 100)
    return (1 + max(line for *_, line in _legend_places(scratch, entries, width))) * _LEGEND_LINE


def _legend_places(
    page: Page, entries: Sequence[Entry], width: float
) -> list[tuple[Entry, float, int]]:
    """(entry, x in mm, line) of every entry."""
    places, x, line = [], 0.0, 0
    for entry in entries:
        name, colour = entry
        needed = page.text_width(name, 7) + (0 if colour is None else _SQUARE + 1)
        if x and (colour is None or x + needed > width):
            x, line = 0.0, line + 1
        places.append((entry, x, line))
        x += needed + (_LEGEND_GAP if colour is not None else _LEGEND_GAP / 2)
    return places


def round_length(most: float) -> float:
    """The largest of 1, 2, 5, 10, 20, 50, ... (and tenths and so on) that is at most `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in _BAR_STEPS if step * power <= most * (1 + 1e-9))


def line_height(size: float) -> float:
    """mm from line to line of text of `size` points."""
    return 1.3 * size * _POINT


def _words(text: str) -> list[str]:
    """Pieces that may stand in lines of their own: `unet-`, `2d-`, `none `."""
    pieces, piece = [], ""
    for letter in text:
        piece += letter
        if letter in " -,_/]":
            pieces.append(piece)
            piece = ""
    return [*pieces, *([piece] if piece else [])]


def _own_settings():
    """matplotlib as it comes, whatever matplotlibrc says; SVG without random names."""
    settings = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    own = {"svg.hashsalt": "mos", "svg.fonttype": "path", "pdf.fonttype": 42}
    return matplotlib.rc_context(settings | own | {"image.composite_image": False})
