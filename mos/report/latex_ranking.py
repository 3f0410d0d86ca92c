"""Rankings, and the repetitions of a training with other seeds, as LaTeX tables."""

from collections.abc import Sequence

from mos.report.latex_names import Names
from mos.report.latex_style import Style
from mos.report.latex_table import Table, by_run
from mos.report.latex_text import NOTHING, aligned, escape, number, p_value
from mos.report.ranking import METHODS, Ranking
from mos.report.seeds import SeedLine

_METHOD_TITLES = {
    "aggregate-then-rank": "Mean, then rank",
    "rank-then-aggregate": "Rank, then mean",
    "test-based": "Tests",
}


def ranking(
    of: Ranking, names: Names, style: Style, titles: dict[str, str], *, name: str, caption: str
) -> Table:
    """Ranks by three methods with the ranks that 95 % of the bootstrap draws give."""
    methods = [of.methods[key] for key in METHODS if key in of.methods]
    columns = []
    for method in methods:
        ranks = aligned([str(rank) for rank in method.ranks])
        spread = [f" [{low}, {high}]" for low, high in zip(method.low, method.high)]
        columns.append(
            (
                _METHOD_TITLES.get(method.name, escape(method.name)),
                list(map(str.__add__, ranks, spread)),
            )
        )
    means = next((m.scores for m in methods if m.name == "rank-then-aggregate"), None)
    if means:
        columns.append(("Mean rank", aligned([number(value, 2) for value in means])))
    shown = {m.name: _METHOD_TITLES.get(m.name, escape(m.name)).lower() for m in methods}
    stability = "; ".join(f"{shown[m.name]} {number(m.tau, 2)}" for m in methods)
    draws = {m.draws for m in methods}
    of_draws = (
        str(*draws) if len(draws) == 1 else "; ".join(f"{shown[m.name]} {m.draws}" for m in methods)
    )
    patients = f" of {of.patients} patients" if of.patients != of.cases else ""
    notes = [
        f"Ranks over {of.cases} cases{patients}, 1 is best; in brackets the middle 95\\,\\% of the "
        f"bootstrap draws of patients ({of_draws}).",
        f"Kendall's $\\tau$ between a ranking and its draws (1 is stable), mean: {stability}.",
    ]
    tied = [shown[m.name] for m in methods if len(set(m.ranks)) == 1]
    if tied:
        notes.append(f"All share rank 1, there is no order: {', '.join(tied)}.")
    if of.critical_difference is not None:
        cd = of.critical_difference
        p = p_value(cd.p)
        equals = "" if p.startswith("$<$") else "= "
        notes.append(
            f"Friedman test: $\\chi^2 = {cd.chi2:.2f}$, $p$ {equals}{p}; mean ranks differ significantly "
            f"(Nemenyi, 5\\,\\%) from {cd.difference:.2f} apart."
        )
    if of.left_out:
        notes.append(f"Not ranked: {', '.join(titles.get(r, escape(r)) for r in of.left_out)}.")
    return by_run(
        [titles[run] for run in of.contenders], columns, name=name, caption=caption, notes=notes
    )


def seeds(
    lines: Sequence[SeedLine],
    keys: Sequence[str],
    names: Names,
    style: Style,
    *,
    name: str,
    caption: str,
) -> Table:
    """Repetitions: mean over the seeds and the standard deviation between them."""
    lines = sorted(lines, key=lambda line: names.order[line.contender.name])
    columns = [("Seeds", aligned([str(len(line.contender.runs)) for line in lines]))]
    for key in keys:
        shown = style.shown(key)
        spreads = [line.metrics[key] for line in lines]
        means = aligned([number(s.mean * shown.factor, shown.digits) for s in spreads])
        sds = aligned([number(s.sd * shown.factor, shown.digits) for s in spreads])
        cells = [m + (rf"\,$\pm$\,{sd}" if sd != NOTHING else "") for m, sd in zip(means, sds)]
        columns.append((shown.header, cells))
        if any(s.left_out for s in spreads):
            left_out = [f"{s.left_out}/{line.cases}" for s, line in zip(spreads, lines)]
            columns.append((f"Left out, {shown.title}", aligned(left_out)))
    notes = (
        r"Mean\,$\pm$\,standard deviation between trainings that differ only in their seed, of each training's "
        "mean over the test cases that are finite for all of them.",
    )
    leads = [names.short(line.contender.name) for line in lines]
    return by_run(leads, columns, name=name, caption=caption, notes=notes)
