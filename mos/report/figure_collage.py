"""Collages that compare runs: the same case and slice of each, with the reference and the scores."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mos.metrics.table import Metric
from mos.report.case_images import CaseImages
from mos.report.figure_canvas import Entry
from mos.report.figure_case import legend
from mos.report.figure_grid import Cell, Gap, Grid
from mos.report.figure_slices import crop, frame, slice_text
from mos.report.figure_tile import Look, make_tile

SHOWN = {"error": "image+error", "prediction": "image+prediction", "labels": "prediction"}


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A run of a collage, with the cases it has."""

    title: str
    images: Mapping[str, CaseImages] = field(default_factory=dict)  # by case
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # by metric, then case
    gaps: Mapping[str, str] = field(default_factory=dict)  # by case: why there is no picture
    missing: str = "no such run"  # for all other cases


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A row of a collage: one slice of a case."""

    case: str
    index: int
    title: str = ""  # at the left


@dataclass(frozen=True, kw_only=True)
class Style:
    """What collages show of a slice."""

    look: Look = Look()
    show: str = "error"  # a key of SHOWN
    metrics: tuple[Metric, ...] = ()  # written on each picture; the best is bold
    percent: bool = False  # shares as 91.2 instead of 0.912
    zoom: float | None = (
        0.25  # margin around the target as a part of its size; None: the whole slice
    )
    reference: bool = True  # a column with image and reference


def comparison(contenders: Sequence[Contender], slices: Sequence[Slice], style: Style) -> Grid:
    """Rows are slices, columns image, reference and runs; every row has a scale of its own."""
    cells, seen = [], []
    for one in slices:
        shown, cropped = _row(contenders, one, style)
        cells.append([*_reference(contenders, cropped, one, style), *shown])
        seen += cropped
    heads = ["image", "reference"] if style.reference else []
    return Grid(
        cells=cells,
        columns=[*heads, *(run.title for run in contenders)],
        rows=[one.title for one in slices] if any(one.title for one in slices) else (),
        legend=_legend(seen, style),
        own_scales=True,
    )


def collage(
    contenders: Sequence[Contender], one: Slice, shape: tuple[int, int], style: Style
) -> Grid:
    """One slice of one case; runs fill `shape` (rows, columns) row by row, their names above them.

    The reference column stands at the left: reference, and below it the image.
    """
    shown, cropped = _row(contenders, one, style)
    cells: list[list[Cell | Gap | None]] = []
    captions: list[list[str]] = []
    rows, columns = shape
    for row in range(rows):
        part = slice(row * columns, (row + 1) * columns)
        blank = columns - len(shown[part])
        cells.append([*shown[part], *[None] * blank])
        captions.append([*(run.title for run in contenders[part]), *[""] * blank])
    if style.reference:
        pairs = list(
            zip(reversed(_reference(contenders, cropped, one, style)), ("reference", "image"))
        )
        if rows == 1:
            cells[0][:0] = [cell for cell, _ in reversed(pairs)]
            captions[0][:0] = [name for _, name in reversed(pairs)]
        else:
            pairs += [(None, "")] * (rows - 2)
            for row, (cell, name) in enumerate(pairs):
                cells[row].insert(0, cell)
                captions[row].insert(0, name)
    return Grid(cells=cells, captions=captions, legend=_legend(cropped, style))


def record(
    contenders: Sequence[Contender], slices: Sequence[Slice], style: Style
) -> list[dict[str, Any]]:
    """What a collage shows, as data: per slice and run the scores, and wrong voxels outside the frame."""
    rows = []
    for one in slices:
        own = [run.images[one.case] for run in contenders if one.case in run.images]
        part = _frame(own, style)
        entry: dict[str, Any] = {
            "case": one.case,
            "chosen": one.title.partition("\n")[0] if "\n" in one.title else "",
            "runs": [],
        }
        if own:
            entry |= {"slice": one.index + 1, "slices": len(own[0].positions)}
            entry["position_mm"] = float(own[0].positions[one.index])
        for run in contenders:
            images = run.images.get(one.case)
            said: dict[str, Any] = {"title": run.title}
            if images is None:
                said["missing"] = run.gaps.get(one.case, run.missing)
            else:
                said |= {"run": images.run, "setting": images.setting, "epoch": images.epoch}
                wrong = images.errors(style.look.labels)[one.index] > 1
                said["wrong_voxels"] = int(wrong.sum())
                said["wrong_voxels_outside"] = int(wrong.sum() - wrong[part].sum())
            for metric in style.metrics:
                value = run.scores.get(metric.key, {}).get(one.case, math.nan)
                # JSON has no word for infinity; null is a score that is not there.
                said[metric.key] = (
                    None if math.isnan(value) else value if value < math.inf else "inf"
                )
            entry["runs"].append(said)
        rows.append(entry)
    return rows


def _row(
    contenders: Sequence[Contender], one: Slice, style: Style
) -> tuple[list[Cell | Gap], list[CaseImages]]:
    """The runs' pictures of a slice, and their images cut to what is shown."""
    # By number: two runs may have the same title.
    own = {n: run.images[one.case] for n, run in enumerate(contenders) if one.case in run.images}
    part = _frame(list(own.values()), style)
    cropped = {n: crop(_only(images, one.index), part) for n, images in own.items()}
    best = {metric.key: _best(contenders, one.case, metric) for metric in style.metrics}
    cells: list[Cell | Gap] = []
    for number, run in enumerate(contenders):
        if number not in cropped:
            cells.append(Gap(run.gaps.get(one.case, run.missing)))
            continue
        images = cropped[number]
        cells.append(
            Cell(
                tile=make_tile(images, 0, SHOWN[style.show], style.look),
                size=_size(images),
                scores=[
                    (_score_text(metric, run, one.case, style), number in best[metric.key])
                    for metric in style.metrics
                ],
                # Without a reference column somebody has to say where and how large this is.
                corner=slice_text(own[number], one.index) if not style.reference else "",
                bar=not style.reference and number == 0,
            )
        )
    return cells, list(cropped.values())


def _reference(
    contenders: Sequence[Contender], cropped: Sequence[CaseImages], one: Slice, style: Style
) -> list[Cell | Gap]:
    """Image, with the place of the slice, and reference, with a scale bar."""
    if not style.reference:
        return []
    if not cropped:
        return [Gap("no run has this case")] * 2
    first = cropped[0]
    whole = next(run.images[one.case] for run in contenders if one.case in run.images)
    text = slice_text(whole, one.index)
    image = Cell(tile=make_tile(first, 0, "image", style.look), size=_size(first), corner=text)
    part = "reference" if style.show == "labels" else "image+reference"
    tile = make_tile(first, 0, part, style.look)
    return [image, Cell(tile=tile, size=_size(first), bar=True)]


def _only(images: CaseImages, index: int) -> CaseImages:
    """A case cut to one slice."""
    return dataclasses.replace(
        images,
        image=images.image[:, index : index + 1],
        reference=images.reference[index : index + 1],
        prediction=images.prediction[index : index + 1],
        positions=images.positions[index : index + 1],
    )


def _frame(images: Sequence[CaseImages], style: Style) -> tuple[slice, slice]:
    if style.zoom is None or not images:
        return slice(None), slice(None)
    return frame(images, style.zoom)


def _best(contenders: Sequence[Contender], case: str, metric: Metric) -> set[int]:
    """Which runs have the best score, as it is printed; none when all are alike."""
    values = {
        number: round(run.scores[metric.key][case], metric.digits)
        for number, run in enumerate(contenders)
        if case in run.images and math.isfinite(run.scores.get(metric.key, {}).get(case, math.nan))
    }
    if len(set(values.values())) < 2:
        return set()
    best = (max if metric.higher_is_better else min)(values.values())
    return {number for number, value in values.items() if value == best}


def _score_text(metric: Metric, run: Contender, case: str, style: Style) -> str:
    value = run.scores.get(metric.key, {}).get(case, math.nan)
    return f"{metric.title} {format_score(metric, value, style.percent)}"


def format_score(metric: Metric, value: float, percent: bool) -> str:
    """`0.912`, `91.2`, `3.41 mm`; `-` where there is no score, `∞` for a structure missed or invented."""
    if math.isnan(value):
        return "-"
    unit = f" {metric.unit}" if metric.unit else ""
    if math.isinf(value):
        return f"∞{unit}"
    if percent and not metric.unit:
        return f"{100 * value:.{metric.digits - 2}f}"
    return f"{value:.{metric.digits}f}{unit}"


def _legend(seen: Sequence[CaseImages], style: Style) -> list[Entry]:
    parts = [SHOWN[style.show], *(["reference"] if style.reference else [])]
    return legend(seen, parts, style.look) if seen else []


def _size(images: CaseImages) -> tuple[float, float]:
    rows, columns = images.image.shape[2:]
    return rows * images.spacing[1], columns * images.spacing[2]
