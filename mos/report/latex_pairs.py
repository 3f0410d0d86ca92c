"""Paired comparisons as LaTeX tables: every run with the best of a metric, and all with all."""

import math
from collections.abc import Sequence

from mos.report.compare import SIGNIFICANT, Comparison, Comparisons
from mos.report.latex_names import Names
from mos.report.latex_notes import powerless
from mos.report.latex_style import Shown, Style
from mos.report.latex_table import Block, Row, Table, by_run
from mos.report.latex_text import NOTHING, aligned, number, p_value
from mos.report.seeds import Contender
from mos.report.table import Line

MOST_IN_MATRIX = 15

_TESTS = (
    "The patient is the unit of the tests: several cases of one are averaged first; "
    f"$p$ is two-sided and Holm-corrected, significant below {SIGNIFICANT:g}."
)


def pairs(
    lines: Sequence[Line],
    key: str,
    names: Names,
    style: Style,
    comparisons: Comparisons,
    contenders: Sequence[Contender],
    *,
    name: str,
    caption: str,
) -> Table | None:
    """Every contender beside the best of the metric; None where there is nothing to compare.

    `lines` are those of the overview, of one dataset and stage.
    """
    best = next((line for line in lines if key in line.best), None)
    if best is None:
        return None
    entries = []
    for contender in _sorted(contenders, names):
        where = (best.dataset, best.stage, None, key)
        entry = comparisons.between(*where, contender.name, best.run)
        if entry is not None:
            entries.append((contender, entry))
    if not entries:
        return None
    shown = style.shown(key)
    columns = [
        ("Cases", aligned([str(e.cases) for _, e in entries])),
        ("Difference", _differences([e for _, e in entries], shown)),
        ("$p$ ($t$ test)", _p_values([e.t_p_holm for _, e in entries])),
        ("$p$ (Wilcoxon)", _p_values([e.p_holm for _, e in entries])),
        ("$d_z$", aligned([number(e.dz, 2) for _, e in entries])),
        ("$r$", aligned([number(e.rank_biserial, 2) for _, e in entries])),
    ]
    unit = f" in {shown.unit}" if shown.unit else ""
    of_best = next((c for c in contenders if best.run in c.runs), None)
    best_title = title(of_best, names) if of_best else names.short(best.run)
    notes = [
        f"Difference{unit}: the run minus the best ({best_title}), over the cases finite in both, "
        r"with its 95\,\% interval (bootstrap over patients).",
        f"Paired $t$ test and Wilcoxon signed-rank test. {_TESTS}",
        "$d_z$: mean difference over its standard deviation; $r$: matched-pairs rank-biserial correlation.",
        *_remarks([e for _, e in entries]),
    ]
    leads = [title(contender, names) for contender, _ in entries]
    return by_run(leads, columns, name=name, caption=caption, notes=notes)


def matrix(
    dataset: str,
    stage: str,
    key: str,
    names: Names,
    style: Style,
    comparisons: Comparisons,
    contenders: Sequence[Contender],
    *,
    name: str,
    caption: str,
) -> Table | None:
    """All with all: differences above the diagonal, p below; None below three or for too many."""
    where = (dataset, stage, None, key)
    found = {
        (a.name, b.name): entry
        for a in contenders
        for b in contenders
        if (entry := comparisons.between(*where, a.name, b.name)) is not None
    }
    members = [c for c in _sorted(contenders, names) if any(c.name in pair for pair in found)]
    # Of a family too large only the best was compared: its table is `pairs`.
    if not 3 <= len(members) <= MOST_IN_MATRIX or len(found) < 2 * len(members):
        return None
    shown = style.shown(key)
    body = []
    for i, a in enumerate(members):
        cells = []
        for j, b in enumerate(members):
            entry = found.get((a.name, b.name))
            if i == j or entry is None:
                cells.append("" if i == j else NOTHING)
            elif j > i:
                text = number(entry.difference * shown.factor, shown.digits)
                cells.append(rf"\mosbest{{{text}}}" if entry.significant else text)
            else:
                cells.append(p_value(entry.p_holm, SIGNIFICANT))
        body.append(cells)
    rows = tuple(
        Row(lead=(str(i), title(a, names)), cells=(tuple(cells),))
        for i, (a, cells) in enumerate(zip(members, body), start=1)
    )
    unit = f" in {shown.unit}" if shown.unit else ""
    notes = [
        f"Above the diagonal: mean difference{unit}, row minus column, over the cases finite in both, bold "
        "where significant. Below it: $p$ of the Wilcoxon signed-rank test. " + _TESTS,
        *_remarks(list(found.values())),
    ]
    heads = tuple(str(i) for i in range(1, len(members) + 1))
    return Table(
        name=name,
        caption=caption,
        label="",
        lead=("", "Run"),
        blocks=(Block(columns=heads, align="r"),),
        rows=rows,
        notes=tuple(notes),
    )


def _sorted(contenders: Sequence[Contender], names: Names) -> list[Contender]:
    known = [c for c in contenders if c.name in names.order]
    return sorted(known, key=lambda c: names.order[c.name])


def title(contender: Contender, names: Names) -> str:
    seeds = f" ({len(contender.runs)} seeds)" if len(contender.runs) > 1 else ""
    return names.short(contender.name) + seeds


def _differences(entries: Sequence[Comparison], shown: Shown) -> list[str]:
    parts = [
        aligned([number(getattr(e, part) * shown.factor, shown.digits) for e in entries])
        for part in ("difference", "low", "high")
    ]
    return [
        middle + (f" [{low}, {high}]" if low != NOTHING else "")
        for middle, low, high in zip(*parts)
    ]


def _p_values(values: Sequence[float]) -> list[str]:
    return [rf"\phantom{{$<$}}{t}" if t[0].isdigit() else t for t in map(p_value, values)]


def _remarks(entries: Sequence[Comparison]) -> list[str]:
    """What is left out of the differences, and that few patients cannot differ significantly."""
    found = []
    infinite, undefined = (
        max(getattr(e, part) for e in entries) for part in ("infinite", "undefined")
    )
    if infinite:
        found.append(
            f"Left out of a difference and its $t$ test: up to {infinite} cases with an infinite distance in "
            "one of the two; in the rank test infinite is worst."
        )
    if undefined:
        found.append(f"Up to {undefined} cases have nothing to score and are in no test.")
    alone = max(e.only_first + e.only_second for e in entries)
    if alone:
        found.append(
            f"Up to {alone} cases of a pair are scored in one of the two only and not compared."
        )
    most = max((e.rank_patients for e in entries if not math.isnan(e.p)), default=0)
    found.append(powerless(most, min(e.family for e in entries)).strip())
    return list(filter(None, found))
