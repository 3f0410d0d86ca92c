"""The figures of `cmd/plot-test`: one of each case, and sheets of many cases."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mos.files import write_json
from mos.report.case_images import CaseImages, load_case_images
from mos.report.colour import ERROR_COLOURS, ERROR_TITLES, label_colours
from mos.report.figure_canvas import Entry, Page
from mos.report.figure_grid import Cell, Grid, draw
from mos.report.figure_slices import slice_text, spread_slices
from mos.report.figure_tile import PARTS, Look, make_tile, shown_labels

FOLDER = "test-figures"
CASE_PARTS = ("image", "reference", "prediction", "image+reference", "image+prediction") + (
    "image+error",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is drawn and how large."""

    look: Look = Look()
    slices: int = 8  # of a case; 0: all
    sheet_cases: int = 10  # columns of a sheet
    tile_mm: float = 25.0
    dpi: int = 200
    formats: tuple[str, ...] = ("png",)


def case_figure(images: CaseImages, plan: Plan, scores: str = "", chosen_by: str = "") -> Grid:
    """Rows are slices, columns the parts.

    Args:
        scores: a line below the title.
        chosen_by: how the epoch was chosen.
    """
    cells = [
        [
            Cell(
                tile=make_tile(images, index, part, plan.look),
                size=_size(images),
                corner=slice_text(images, index) if part == CASE_PARTS[0] else "",
                bar=row == 0 and part == CASE_PARTS[0],
            )
            for part in CASE_PARTS
        ]
        for row, index in enumerate(spread_slices(images, plan.slices))
    ]
    return Grid(
        cells=cells,
        columns=[PARTS[part] for part in CASE_PARTS],
        title=[images.case, _whose(images, chosen_by), *([scores] if scores else [])],
        legend=legend([images], CASE_PARTS, plan.look),
    )


def sheet(many: Sequence[CaseImages], part: str, plan: Plan, title: str, chosen_by: str) -> Grid:
    """Rows are slices from first to last, columns cases, all on one scale."""
    chosen = [spread_slices(images, plan.slices) for images in many]
    cells = []
    for row in range(max(map(len, chosen))):
        cells.append([])
        for images, indices in zip(many, chosen, strict=True):
            if row >= len(indices):
                cells[-1].append(None)
                continue
            cell = Cell(
                tile=make_tile(images, indices[row], part, plan.look),
                size=_size(images),
                corner=slice_text(images, indices[row]),
                bar=row == 0,
            )
            cells[-1].append(cell)
    return Grid(
        cells=cells,
        columns=[images.case for images in many],
        title=[title, _whose(many[0], chosen_by)],
        legend=legend(many, (part,), plan.look),
    )


def write_figures(
    paths: Sequence[Path],
    folder: Path,
    plan: Plan,
    scores: Mapping[str, str],
    chosen_by: str = "",
) -> Iterator[Path]:
    """Writes `cases/<case>.png` and `sheet-<part>.png` below a folder; yields each path when it is done.

    With more cases than a sheet has columns there are several, `sheet-<part>-1.png` and so on. Figures
    of an earlier call that this one does not write are removed; they are listed in `figures.json`.

    Args:
        paths: files of `mos.report.case_images`, of one run and epoch.
        scores: by case, the line below its title.

    Raises:
        BadInput: a file is broken, a figure too large, the disk full.
    """
    written = Written(folder)
    parts_of_paths = [
        paths[first : first + plan.sheet_cases] for first in range(0, len(paths), plan.sheet_cases)
    ]
    for number, chunk in enumerate(parts_of_paths, start=1):
        many = [load_case_images(path) for path in chunk]
        for path, images in zip(chunk, many, strict=True):
            grid = case_figure(images, plan, scores.get(images.case, ""), chosen_by)
            page = draw(grid, plan.tile_mm, plan.dpi)
            yield from written.save(page, f"cases/{path.stem}", plan.formats)
        for part, title in PARTS.items():
            name, count = f"sheet-{part}", ""
            if len(parts_of_paths) > 1:
                name, count = f"{name}-{number}", f", sheet {number} of {len(parts_of_paths)}"
            grid = sheet(many, part, plan, f"{title}{count}", chosen_by)
            page = draw(grid, plan.tile_mm, plan.dpi)
            yield from written.save(page, name, plan.formats)
    written.finish()


class Written:
    """The figures in a folder: those of earlier calls go when they are not written again."""

    def __init__(self, folder: Path):
        self._folder, self._list = folder, folder / "figures.json"
        self._before: set[str] = set()
        if self._list.exists():
            try:
                self._before = set(map(str, json.loads(self._list.read_text(encoding="utf-8"))))
            except (ValueError, TypeError):
                self._before = set()  # not ours: nothing is removed
        self._now: set[str] = set()

    def save(self, page: Page, name: str, formats: Sequence[str]) -> list[Path]:
        """Writes a figure in every format."""
        names = [f"{name}.{form}" for form in formats]
        self._now.update(names)
        if not self._now <= self._before:
            self._before |= self._now
            write_json(
                self._list, sorted(self._before)
            )  # first, so that none is ever left unlisted
        for name in names:
            page.save(self._folder / name)
        return [self._folder / name for name in names]

    def finish(self) -> None:
        """Removes the figures that were not written again."""
        for name in self._before - self._now:
            path = self._folder / name
            if path.resolve().is_relative_to(self._folder.resolve()):
                path.unlink(missing_ok=True)
        write_json(self._list, sorted(self._now))


def legend(many: Sequence[CaseImages], parts: Sequence[str], look: Look) -> list[Entry]:
    """Names and colours of what the parts show: labels that occur, then kinds of errors that occur."""
    colours = label_colours(look.palette)
    entries: list[Entry] = [
        (name, colours[label]) for label, name in shown_labels(many, parts).items()
    ]
    if not any("error" in part for part in parts):
        return entries
    # The same colour may stand for a label and for an error: each group has its heading.
    errors: list[Entry] = [("error map:", None)] if entries else []
    entries = [("labels:", None), *entries] if entries else []
    kinds = set().union(*(np.unique(images.errors(look.labels)).tolist() for images in many))
    for kind, (name, colour) in enumerate(ERROR_COLOURS[look.palette].items(), start=1):
        # The first three are always named: that a colour does not occur is a finding too.
        if kind in kinds or kind <= 3:
            errors.append((ERROR_TITLES[name], np.array(colour)))
    return entries + errors


def _size(images: CaseImages) -> tuple[float, float]:
    """(h, w) of a slice in mm."""
    rows, columns = images.image.shape[2:]
    return rows * images.spacing[1], columns * images.spacing[2]


def _whose(images: CaseImages, chosen_by: str) -> str:
    how = f" ({chosen_by})" if chosen_by else ""
    return f"{images.run}, {images.setting}, epoch {images.epoch}{how}"
