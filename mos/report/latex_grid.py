"""One metric as a LaTeX table: runs by rows; folds, or labels, and all together by columns."""

from collections.abc import Sequence
from dataclasses import replace

from mos.report import latex_cells, latex_notes
from mos.report.compare import Comparisons
from mos.report.latex_flags import Flags
from mos.report.latex_names import Names
from mos.report.latex_style import Style
from mos.report.latex_table import Block, Row, Table
from mos.report.latex_text import NOTHING, aligned
from mos.report.notice import Notice
from mos.report.table import Line


def folds(
    overall: Sequence[Line],
    per_fold: Sequence[Line],
    key: str,
    names: Names,
    style: Style,
    comparisons: Comparisons | None,
    notices: Sequence[Notice],
    *,
    name: str,
    caption: str,
    spread: bool = True,
) -> Table:
    """Cross-validation in detail; the last column has all folds pooled by case.

    Without `spread` the single folds have means alone.
    """
    numbers = sorted({line.fold for line in per_fold if line.fold})
    columns = [(f"Fold {fold}", [x for x in per_fold if x.fold == fold], None) for fold in numbers]
    columns.append(("All folds", list(overall), comparisons))
    notes = [latex_notes.basis(overall, style, "test cases", [key])]
    named = {"name": name, "caption": caption, "folds": True}
    if not spread:
        notes.append("Single folds: mean alone.")
        named["column_style"] = replace(style, spread="none")
    return _grid(columns, overall, key, names, style, notices, notes, **named)


def labels(
    overall: Sequence[Line],
    per_label: Sequence[Line],
    key: str,
    names: Names,
    style: Style,
    comparisons: Comparisons | None,
    notices: Sequence[Notice],
    *,
    name: str,
    caption: str,
) -> Table:
    """Label by label; the last column has the means of the cases over their labels."""
    titles = label_titles(per_label, style)
    columns = [
        (title, [line for line in per_label if line.label == label], comparisons)
        for label, title in titles.items()
    ]
    if len(columns) > 1:
        columns.append(("All labels", list(overall), comparisons))
    notes = [latex_notes.basis(overall, style, "test cases", [key])]
    if len(columns) > 1:
        notes.append("All labels: each case counts with the mean of its labels.")
    return _grid(columns, overall, key, names, style, notices, notes, name=name, caption=caption)


def landmarks(
    overall: Sequence[Line],
    per_label: Sequence[Line],
    key: str,
    names: Names,
    style: Style,
    *,
    name: str,
    caption: str,
) -> Table:
    """Landmarks by rows, of which there are many, and runs by columns; the last row has all points."""
    runs = _runs(overall, names)
    titles = label_titles(per_label, style)
    groups = [[line for line in per_label if line.label == label] for label in titles]
    rows = []
    for title, lines in zip([*titles.values(), "All points"], [*groups, list(overall)]):
        of = {line.run: line for line in lines}
        there = [run for run in runs if run in of and of[run].metrics]
        cells = dict(zip(there, latex_cells.scores([of[run] for run in there], key, style)))
        texts = tuple((cells.get(run, NOTHING),) for run in runs)
        rows.append(Row(lead=(title,), cells=texts, apart=title == "All points"))
    marked = latex_cells.has_marks([cell for row in rows for of in row.cells for cell in of])
    notes = (
        latex_notes.basis(overall, style, "test cases", [key]),
        r"\textbf{Bold}: best of all runs." if marked[0] else "",
        names.note,
    )
    return Table(
        name=name,
        caption=caption,
        label="",
        lead=("Landmark",),
        blocks=tuple(Block(columns=(names.short(run),)) for run in runs),
        rows=tuple(rows),
        notes=tuple(filter(None, notes)),
    )


def counts(
    per_label: Sequence[Line],
    names: Names,
    style: Style,
    notices: Sequence[Notice],
    *,
    name: str,
    caption: str,
) -> Table:
    """Missed and invented structures, label by label."""
    runs = _runs(per_label, names)
    first = {line.run: line for line in reversed(per_label)}
    flags = Flags([first[run] for run in runs], notices)
    leads = names.leads(runs, flags)
    titles = label_titles(per_label, style)
    of = {(line.run, line.label): line for line in per_label}
    columns = []
    for label in titles:
        lines = [of.get((run, label)) for run in runs]
        missed = [f"{line.missed}/{line.in_reference}" if line else NOTHING for line in lines]
        made_up = [
            f"{line.invented}/{line.not_in_reference}" if line else NOTHING for line in lines
        ]
        columns.append((aligned(missed), aligned(made_up)))
    rows = tuple(
        Row(
            lead=lead,
            cells=tuple((missed[i], made_up[i]) for missed, made_up in columns),
            apart=apart,
        )
        for i, (lead, apart) in enumerate(leads)
    )
    notes = (
        "Missed: structures of the reference that are not in the prediction, of all in the reference. "
        "Invented: structures in the prediction that the reference has not, of all it has not.",
        names.note,
        *flags.notes(),
    )
    return Table(
        name=name,
        caption=caption,
        label="",
        lead=names.headings,
        blocks=tuple(
            Block(heading=title, columns=("Missed", "Invented")) for title in titles.values()
        ),
        rows=rows,
        notes=tuple(filter(None, notes)),
    )


def label_titles(per_label: Sequence[Line], style: Style) -> dict[int, str]:
    """The labels in their order, with what to print; one whose name another has gets its number too."""
    shown = {line.label: style.name(line.label_name) for line in per_label}
    doubled = {title for title in shown.values() if list(shown.values()).count(title) > 1}
    return {
        label: f"{title} ({label})" if title in doubled else title
        for label, title in sorted(shown.items())
    }


def _grid(
    columns: Sequence[tuple[str, list[Line], Comparisons | None]],
    overall: Sequence[Line],
    key: str,
    names: Names,
    style: Style,
    notices: Sequence[Notice],
    notes: Sequence[str],
    *,
    name: str,
    caption: str,
    folds: bool = False,
    column_style: Style | None = None,
) -> Table:
    runs = _runs(overall, names)
    whole = {line.run: line for line in overall}
    flags = Flags([whole[run] for run in runs], notices, [key])
    leads = names.leads(runs, flags)
    blocks, cells = [], []
    for title, lines, comparisons in columns:
        of = {line.run: line for line in lines}
        there = [run for run in runs if run in of and of[run].metrics]
        # The last column is of all folds or labels together.
        mine = style if title == columns[-1][0] else column_style or style
        texts = latex_cells.scores([of[run] for run in there], key, mine, comparisons)
        by_run = dict(zip(there, texts))
        cells.append([by_run.get(run, NOTHING) for run in runs])
        blocks.append(Block(columns=(title,)))
    left_out = _left_out_by_run(columns[-1][1], key, runs)
    if any(left_out):
        n = [f"{count}/{whole[run].cases}" for count, run in zip(left_out, runs)]
        cells.append(aligned(n))
        blocks.append(Block(columns=("Left out",)))
        notes = [*notes, f"Left out of {columns[-1][0].lower()}: cases without a finite value."]
    marked = latex_cells.has_marks([cell for column in cells for cell in column])
    marks = latex_notes.marks(*marked, overall, [key], columns[-1][2])
    if folds and marked[1]:
        marks = [*marks, "The folds one by one were not tested for differences."]
    rows = tuple(
        Row(lead=lead, cells=tuple((column[i],) for column in cells), apart=apart)
        for i, (lead, apart) in enumerate(leads)
    )
    return Table(
        name=name,
        caption=caption,
        label="",
        lead=names.headings,
        blocks=tuple(blocks),
        rows=rows,
        notes=tuple(filter(None, [*notes, names.note, *marks, *flags.notes()])),
    )


def _runs(lines: Sequence[Line], names: Names) -> list[str]:
    return sorted({line.run for line in lines}, key=names.order.get)


def _left_out_by_run(lines: Sequence[Line], key: str, runs: Sequence[str]) -> list[int]:
    of = {line.run: line for line in lines if line.metrics}
    return [of[run].metrics[key].left_out if run in of else 0 for run in runs]
