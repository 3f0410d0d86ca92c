"""The figures of landmarks: one of each case, and sheets of many cases."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mos.report.colour import POINT_COLOURS, Palette
from mos.report.figure_canvas import Entry
from mos.report.figure_case import Written
from mos.report.figure_grid import Cell, Grid, draw
from mos.report.figure_tile import Tile, Writing
from mos.report.place_words import place_words
from mos.report.point_images import PointImages, load_point_images

_MARK = 0.9  # mm on the page from the middle of a mark to its ends
_WORDS = 5.0  # points


@dataclass(frozen=True, kw_only=True)
class PointPlan:
    """What is drawn and how large."""

    palette: Palette = "classic"
    names: bool = False  # beside the errors
    channel: int = 0
    case_mm: float = 85.0  # width of a picture of a case's figure
    sheet_mm: float = 32.0  # and of a sheet
    sheet_columns: int = 5
    sheet_cases: int = 20
    dpi: int = 200
    formats: tuple[str, ...] = ("png",)


def case_figure(images: PointImages, plan: PointPlan, chosen_by: str = "") -> Grid:
    """The image, and the image with its points and their errors."""
    plain = Cell(tile=Tile(_grey(images, plan)), size=_size(images), bar=True)
    marked = Cell(tile=_marked(images, plan, plan.case_mm, words=True), size=_size(images))
    return Grid(
        cells=[[plain, marked]],
        columns=["image", "points and errors, mm"],
        title=[images.case, _whose(images, chosen_by), score_line(images)],
        legend=legend(plan.palette),
    )


def sheet(many: Sequence[PointImages], plan: PointPlan, title: str, chosen_by: str) -> Grid:
    """Cases row by row, all on one scale, with their mean errors."""
    cells, captions = [], []
    for first in range(0, len(many), plan.sheet_columns):
        row = many[first : first + plan.sheet_columns]
        filled = [
            Cell(
                tile=_marked(images, plan, plan.sheet_mm, words=False),
                size=_size(images),
                corner=_mean_text(images),
                bar=not cells and not number,
            )
            for number, images in enumerate(row)
        ]
        lacking = [None] * (min(plan.sheet_columns, len(many)) - len(row))
        cells.append([*filled, *lacking])
        captions.append([*(images.case for images in row), *("" for _ in lacking)])
    return Grid(
        cells=cells,
        captions=captions,
        title=[title, _whose(many[0], chosen_by)],
        legend=legend(plan.palette),
    )


def write_point_figures(
    paths: Sequence[Path], folder: Path, plan: PointPlan, chosen_by: str = ""
) -> Iterator[Path]:
    """Writes `cases/<case>.png` and `sheet-points.png` below a folder; yields each path when it is done.

    With more cases than a sheet takes there are several, `sheet-points-1.png` and so on. Figures of an
    earlier call that this one does not write are removed; they are listed in `figures.json`.

    Args:
        paths: files of `mos.report.point_images`, of one run and epoch.

    Raises:
        BadInput: a file is broken, a figure too large, the disk full.
    """
    written = Written(folder)
    chunks = [paths[i : i + plan.sheet_cases] for i in range(0, len(paths), plan.sheet_cases)]
    for number, chunk in enumerate(chunks, start=1):
        many = [load_point_images(path) for path in chunk]
        for path, images in zip(chunk, many, strict=True):
            page = draw(case_figure(images, plan, chosen_by), plan.case_mm, plan.dpi)
            yield from written.save(page, f"cases/{path.stem}", plan.formats)
        name, count = "sheet-points", ""
        if len(chunks) > 1:
            name, count = f"{name}-{number}", f", sheet {number} of {len(chunks)}"
        grid = sheet(many, plan, f"test cases{count}", chosen_by)
        yield from written.save(draw(grid, plan.sheet_mm, plan.dpi), name, plan.formats)
    written.finish()


def score_line(images: PointImages) -> str:
    """`MRE 1.23 mm over 18 of 19 points; farthest: menton, 3.40 mm`"""
    scored = images.scored
    if not len(scored):
        return "no point is scored"
    error = images.error[scored]
    farthest = scored[int(np.argmax(error))]
    of = f" of {len(images.names)}" if len(scored) < len(images.names) else ""
    return (
        f"MRE {error.mean():.2f} mm over {len(scored)}{of} points; farthest: {images.names[farthest]}, "
        f"{error.max():.2f} mm"
    )


def legend(palette: Palette) -> list[Entry]:
    """Names and colours of the marks."""
    colours = POINT_COLOURS[palette]
    titles = {"reference": "reference (+)", "prediction": "prediction (×)", "error": "error"}
    return [(title, np.array(colours[key])) for key, title in titles.items()]


def _marked(images: PointImages, plan: PointPlan, width_mm: float, *, words: bool) -> Tile:
    """The image with a + at each reference point, a × at its prediction and a line between them.

    Args:
        width_mm: of the picture on the page, for marks of one size in print.
    """
    colours = POINT_COLOURS[plan.palette]
    per_mm = images.image.shape[2] / width_mm  # pixels
    arm = _MARK * per_mm * min(1.0, width_mm / 60)
    scored = [i for i in images.scored if np.isfinite(images.prediction[i]).all()]
    # A pixel's centre is half a pixel from its corner, which lines count from.
    reference = images.reference[images.scored].astype(float) + 0.5
    found = images.prediction[scored].astype(float) + 0.5
    links = np.stack([images.reference[scored].astype(float) + 0.5, found], axis=1)
    lines = (
        (colours["error"], links),
        (colours["reference"], _cross(reference, arm, 0.0)),
        (colours["prediction"], _cross(found, arm, np.pi / 4)),
    )
    if not words:
        return Tile(_grey(images, plan), lines)
    texts = [
        f"{images.names[i]} {images.error[i]:.1f}" if plan.names else f"{images.error[i]:.1f}"
        for i in scored
    ]
    letter = _WORDS * 25.4 / 72 * per_mm
    marks = np.concatenate([reference, found])
    places = place_words(
        texts, links[:, 0], marks, images.image.shape[1:], letter=letter, gap=1.2 * arm
    )
    writings = tuple(
        Writing(text=text, x=x, y=y, points=_WORDS, colour=colours["error"])
        for text, (x, y) in zip(texts, places)
    )
    return Tile(_grey(images, plan), lines, writings)


def _cross(middles: np.ndarray, arm: float, turn: float) -> np.ndarray:
    """(2n, 2, 2) ends (x, y) of two lines through each of `middles` (n, 2)."""
    ends = []
    for angle in (turn, turn + np.pi / 2):
        step = arm * np.array([np.cos(angle), np.sin(angle)])
        ends.append(np.stack([middles - step, middles + step], axis=1))
    return np.concatenate(ends)


def _grey(images: PointImages, plan: PointPlan) -> np.ndarray:
    return np.repeat(images.image[plan.channel][..., None], 3, axis=2)


def _size(images: PointImages) -> tuple[float, float]:
    """(h, w) in mm."""
    _, rows, columns = images.image.shape
    return rows * images.scale[1], columns * images.scale[0]


def _mean_text(images: PointImages) -> str:
    scored = images.error[images.scored]
    return f"{scored.mean():.2f} mm" if len(scored) else "not scored"


def _whose(images: PointImages, chosen_by: str) -> str:
    how = f" ({chosen_by})" if chosen_by else ""
    return f"{images.run}, {images.setting}, epoch {images.epoch}{how}"
