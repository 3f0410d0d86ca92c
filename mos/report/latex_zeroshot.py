"""Zero-shot scores beside the run's own test as a LaTeX table."""

from collections.abc import Sequence

from mos.report import latex_cells
from mos.report.latex_names import Names
from mos.report.latex_style import Style
from mos.report.latex_table import Block, Row, Table
from mos.report.latex_text import NOTHING, aligned, number
from mos.report.zeroshot import ZeroShotLine


def zeroshot(
    lines: Sequence[ZeroShotLine],
    key: str,
    names: Names,
    style: Style,
    *,
    name: str,
    caption: str,
) -> Table:
    """One metric of the runs of a dataset on one set: there, at home, and the difference.

    Bold stands in the overview of the set; here rows are compared with themselves.
    """
    lines = sorted(lines, key=lambda line: names.order[line.run])
    shown = style.shown(key)
    gaps = [line.metrics[key] for line in lines]
    parts = [
        aligned([number(getattr(gap, part) * shown.factor, shown.digits) for gap in gaps])
        for part in ("difference", "low", "high")
    ]
    differences = [d + (f" [{a}, {b}]" if a != NOTHING else "") for d, a, b in zip(*parts)]
    columns = [
        (f"{shown.title} there", latex_cells.plain([gap.there for gap in gaps], key, style)),
        ("Own test", latex_cells.plain([gap.home for gap in gaps], key, style)),
        ("Difference", differences),
    ]
    there = {(line.cases, line.patients) for line in lines}
    if len(there) > 1:
        columns.insert(0, ("Cases", aligned([str(line.cases) for line in lines])))
    told = []
    for kind, total in (("missed", "in_reference"), ("invented", "not_in_reference")):
        if any(getattr(line, kind) for line in lines):
            counts = [f"{getattr(line, kind)}/{getattr(line, total)}" for line in lines]
            columns.append((kind.capitalize(), aligned(counts)))
            told.append(kind.capitalize())
    left_out = [(gap.there.left_out, gap.home.left_out) for gap in gaps]
    if any(map(any, left_out)):
        columns.append(("Left out", aligned([f"{a}, {b}" for a, b in left_out])))
        told.append("left out")
    rows = tuple(
        Row(lead=names.lead(line.run), cells=tuple((cells[i],) for _, cells in columns))
        for i, line in enumerate(lines)
    )
    return Table(
        name=name,
        caption=caption,
        label="",
        lead=names.headings,
        blocks=tuple(Block(columns=(title,)) for title, _ in columns),
        rows=rows,
        notes=tuple(filter(None, [*_notes(lines, style, shown.unit, told), names.note])),
    )


def _notes(
    lines: Sequence[ZeroShotLine], style: Style, unit: str, told: Sequence[str]
) -> list[str]:
    spread = {"sd": r"Mean\,$\pm$\,standard deviation", "interval": r"Mean and 95\,\% interval"}
    n = {(line.cases, line.patients) for line in lines}
    cases = (
        f"{lines[0].cases} cases of {lines[0].patients} patients" if len(n) == 1 else "the cases"
    )
    labels = {line.labels for line in lines}
    over = (
        ", ".join(map(style.name, lines[0].labels))
        if len(labels) == 1
        else "the labels it annotates"
    )
    notes = [
        f"{spread.get(style.spread, 'Mean')} over {cases} of the set, over {over}; own test: the same networks, "
        "epochs and labels.",
        f"Difference{f' in {unit}' if unit else ''}: set minus own test, with its 95\\,\\% interval (bootstrap over "
        "the patients of both).",
    ]
    if len({len(line.folds) for line in lines}) == 1 and len(lines[0].folds) > 1:
        notes.append(
            f"A case counts once with the mean of the {len(lines[0].folds)} folds' networks"
            + (
                "; missed and invented count every fold."
                if {"Missed", "Invented"} & set(told)
                else "."
            )
        )
    if "left out" in told:
        notes.append("Left out: cases without a finite value, there and in the own test.")
    return notes
