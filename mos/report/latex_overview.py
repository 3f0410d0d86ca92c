"""The overview as a LaTeX table: runs by rows, metrics by columns, or with parts of the names in columns."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mos.report import latex_cells, latex_cost, latex_notes
from mos.report.compare import Comparisons
from mos.report.cost import Costs
from mos.report.latex_flags import Flags
from mos.report.latex_names import HEADINGS, PARTS, Names
from mos.report.latex_style import Style
from mos.report.latex_table import Block, Row, Table
from mos.report.latex_text import NOTHING, aligned, number
from mos.report.notice import Notice
from mos.report.table import Line


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One value for each line: a metric, or a count."""

    heading: str
    cells: list[str]  # (n,)
    align: str = "c"


def overview(
    lines: Sequence[Line],
    keys: Sequence[str],
    names: Names,
    style: Style,
    comparisons: Comparisons | None,
    notices: Sequence[Notice],
    *,
    name: str,
    caption: str,
    what: str = "test cases",
    costs: Costs | None = None,
) -> Table:
    """A table of `lines`, all of one dataset and stage, with the metrics `keys`.

    What is missed, invented or left out gets columns where there is any, else a sentence. With `costs`
    the last columns are those of them that the style names.
    """
    lines = sorted(lines, key=lambda line: names.order[line.run])
    flags = Flags(lines, notices, keys)
    columns = [part for part in style.columns if part in names.varying]
    metrics = [
        Quantity(
            heading=style.shown(key).header,
            cells=latex_cells.scores(lines, key, style, comparisons),
        )
        for key in keys
    ]
    if latex_notes.are_points(lines):
        medians, sentences = _points(lines, keys, style)
        metrics[1:1] = medians  # beside the error that they are of
        counts = []
    else:
        counts, sentences = _counts(lines, keys, style)
    spent = [costs[line.dataset, line.run] for line in lines] if costs else []
    paid = style.costs if spent else ()
    for key in paid:
        cells = latex_cost.cells(spent, key)
        counts.append(Quantity(heading=latex_cost.COLUMNS[key].heading, cells=cells))
    quantities = metrics + counts
    marks = latex_cells.has_marks([cell for metric in metrics for cell in metric.cells])
    arrange = _pivoted if columns else _listed
    lead, blocks, rows = arrange(lines, quantities, names, flags, columns)
    notes = [
        latex_notes.basis(lines, style, what, keys),
        names.note,
        *latex_notes.marks(*marks, lines, keys, comparisons),
        latex_cost.note(spent, paid),
    ]
    return Table(
        name=name,
        caption=caption,
        label="",
        lead=lead,
        blocks=blocks,
        rows=rows,
        notes=tuple(filter(None, [*notes, *sentences, *flags.notes()])),
    )


def _counts(
    lines: Sequence[Line], keys: Sequence[str], style: Style
) -> tuple[list[Quantity], list[str]]:
    """Cases where they differ, missed and invented structures, cases left out of the means."""
    scored = [line for line in lines if line.metrics]
    found, sentences = [], []
    if len({line.cases for line in scored}) > 1:
        found.append(_count("Cases", lines, lambda line: str(line.cases)))
    kinds = (("missed", "in_reference"), ("invented", "not_in_reference"))
    told = []
    for kind, total in kinds:
        if any(getattr(line, kind) for line in scored):
            text = lambda line, k=kind, t=total: f"{getattr(line, k)}/{getattr(line, t)}"
            found.append(_count(kind.capitalize(), lines, text))
            among = "in the reference" if kind == "missed" else "not in the reference"
            told.append(f"{kind.capitalize()}: of the structures {among}.")
    if len(told) == 2:
        told = ["Missed: of the structures in the reference. Invented: of those not in it."]
    if not any(line.missed or line.invented for line in scored):
        sentences.append("No structure was missed or invented.")
    sentences += told
    left_out = {key: [_left_out(line, key) for line in lines] for key in keys}
    counts = {key: of for key, of in left_out.items() if any(of)}
    if counts:
        alike = len(set(map(tuple, left_out.values()))) == 1
        for key, of in list(counts.items())[: 1 if alike else None]:
            heading = "Left out" if alike else f"Left out, {style.shown(key).title}"
            by_run = {line.run: n for line, n in zip(lines, of)}
            found.append(
                _count(heading, lines, lambda line, n=by_run: f"{n[line.run]}/{line.cases}")
            )
        sentences.append(_left_out_sentence(lines, keys))
    return found, sentences


def _points(
    lines: Sequence[Line], keys: Sequence[str], style: Style
) -> tuple[list[Quantity], list[str]]:
    """Of landmarks: the median of the first metric if it has one, and what is not in the means."""
    scored = [line for line in lines if line.metrics]
    found, sentences = [], []
    shown = style.shown(keys[0])
    medians = [line.metrics[keys[0]].median if line.metrics else math.nan for line in lines]
    if not all(map(math.isnan, medians)):
        heading = f"Median ({shown.unit})" if shown.unit else "Median"
        cells = aligned([number(median * shown.factor, shown.digits) for median in medians])
        found.append(Quantity(heading=heading, cells=cells))
    masked = sorted({line.not_in_reference for line in scored})
    if any(masked):
        points = f"{masked[0]}" if len(masked) == 1 else f"{masked[0]} to {masked[-1]}"
        sentences.append(
            f"Not scored: {points} {'point' if points == '1' else 'points'} outside the image or not known."
        )
    lost = max((line.metrics[key].infinite for line in scored for key in keys), default=0)
    if lost:
        sentences.append(f"Left out of the means: up to {lost} points without a finite prediction.")
    return found, sentences


def _left_out(line: Line, key: str) -> int:
    return line.metrics[key].left_out if key in line.metrics else 0


def _left_out_sentence(lines: Sequence[Line], keys: Sequence[str]) -> str:
    """Says of which two kinds the cases left out are."""
    abouts = [line.metrics[key] for line in lines if line.metrics for key in keys]
    reasons = ["of infinite distance, a structure missed or invented"] * any(
        a.infinite for a in abouts
    )
    reasons += ["with nothing to score"] * any(a.undefined for a in abouts)
    return f"Left out of the mean: cases {', or '.join(reasons)}."


def _count(heading: str, lines: Sequence[Line], text: Callable[[Line], str]) -> Quantity:
    cells = [text(line) if line.metrics else NOTHING for line in lines]
    return Quantity(heading=heading, cells=aligned(cells), align="c")


def _listed(
    lines: Sequence[Line],
    quantities: Sequence[Quantity],
    names: Names,
    flags: Flags,
    columns: Sequence[str],
) -> tuple[tuple[str, ...], tuple[Block, ...], tuple[Row, ...]]:
    """Every run a row; a network's name stands once above the runs of the network."""
    leads = names.leads([line.run for line in lines], flags)
    rows = [
        Row(lead=lead, cells=tuple((quantity.cells[i],) for quantity in quantities), apart=apart)
        for i, (lead, apart) in enumerate(leads)
    ]
    blocks = tuple(Block(columns=(q.heading,), align=q.align) for q in quantities)
    return names.headings, blocks, tuple(rows)


def _pivoted(
    lines: Sequence[Line],
    quantities: Sequence[Quantity],
    names: Names,
    flags: Flags,
    columns: Sequence[str],
) -> tuple[tuple[str, ...], tuple[Block, ...], tuple[Row, ...]]:
    """The parts `columns` of the names below each quantity, the other parts by rows."""
    parts = [part for part in PARTS if part in names.varying and part not in columns]
    heads: dict[tuple, tuple] = {}  # column -> where it sorts
    cells: dict[tuple, dict[tuple, int]] = {}
    for i, line in enumerate(lines):
        of = names.parts[line.run]
        head = tuple(of[part] for part in columns)
        heads[head] = tuple((text not in ("", NOTHING), text) for text in head)
        cells.setdefault(tuple(of[part] for part in parts), {})[head] = i
    ordered = sorted(heads, key=heads.get)
    letters = [flags.of(line.run) for line in lines]
    rows = []
    before = None
    for lead, mine in cells.items():
        blocks = tuple(
            tuple(
                quantity.cells[mine[head]] + _hung(letters[mine[head]]) if head in mine else NOTHING
                for head in ordered
            )
            for quantity in quantities
        )
        same = len(lead) > 1 and lead[0] == before
        before = lead[0]
        rows.append(Row(lead=("" if same else lead[0], *lead[1:]), cells=blocks))
    titles = tuple(", ".join(map(_title, columns, head)) for head in ordered)
    return (
        tuple(HEADINGS[part] for part in parts),
        tuple(Block(heading=q.heading, columns=titles, align=q.align) for q in quantities),
        tuple(rows),
    )


def _hung(letters: str) -> str:
    return rf"\rlap{{{letters}}}" if letters else ""


def _title(part: str, text: str) -> str:
    if part == "aux":
        return "alone" if text == NOTHING else f"+ {text}"
    return text
