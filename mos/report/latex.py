"""All LaTeX tables of a report: which there are, their captions, and a document that shows them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from mos.report import latex_grid, latex_overview, latex_pairs, latex_ranking, latex_zeroshot, table
from mos.report.analysis import Analysis, analyse
from mos.report.collection import Collection
from mos.report.cost import Costs
from mos.report.latex_names import Names
from mos.report.latex_notes import CASE_OF_POINTS
from mos.report.latex_style import Style
from mos.report.latex_table import Table, fits, render
from mos.report.latex_text import escape, slugs
from mos.report.table import Line
from mos.report.zeroshot import STAGE, ZeroShotLine, zeroshot_lines

PREVIEW = "tables.tex"


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What the tables are made of; the same objects the page shows."""

    overview: Sequence[Line]
    labels: Sequence[Line]
    folds: Sequence[Line]
    zeroshot: Sequence[ZeroShotLine]
    analysis: Analysis
    costs: Costs = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Written:
    """One file: its place below the LaTeX folder, its text, and its width as a share of the page's."""

    path: PurePosixPath
    text: str
    share: float


def select(collection: Collection, lines: Lines, style: Style) -> tuple[Collection, Lines]:
    """Leaves only the runs that `style.runs` names; best, family and ranks are then among these."""
    if not style.runs:
        return collection, lines
    kept = {run.name for run in collection.runs if style.place(run.name) is not None}
    rows = collection.rows
    collection = replace(
        collection,
        runs=tuple(run for run in collection.runs if run.name in kept),
        rows=rows[rows["run"].isin(kept)].reset_index(drop=True),
        notices=tuple(n for n in collection.notices if not n.run or n.run in kept),
    )
    return collection, Lines(
        overview=table.overview(collection),
        labels=table.per_label(collection),
        folds=table.per_fold(collection),
        zeroshot=zeroshot_lines(collection),
        analysis=analyse(collection),
        costs=lines.costs,
    )


def files(collection: Collection, lines: Lines, style: Style) -> list[Written]:
    """All tables of all datasets as files, and the document that shows them, last.

    Paths are `<dataset>/<table>.tex`; what has no scores, or is of one run only where runs are
    compared, makes no file.
    """
    inputs = collection.made_from()
    if inputs is None:
        return _files(collection, lines, style)
    # The kinds of notices too: some are about a run that is not finished, which no score tells. Their
    # sentences are not in the tables, and that of a run in training changes with every epoch.
    kinds = sorted({(notice.dataset, notice.run, notice.kind) for notice in collection.notices})
    kept = collection.cache.remember(
        "latex",
        [inputs, repr(style), repr(kinds), repr(lines.costs) if style.costs else ""],
        lambda: [[str(w.path), w.text, w.share] for w in _files(collection, lines, style)],
    )
    return [Written(path=PurePosixPath(path), text=text, share=at) for path, text, at in kept]


def _files(collection: Collection, lines: Lines, style: Style) -> list[Written]:
    collection, lines = select(collection, lines, style)
    folder = slugs([run.dataset for run in collection.runs])
    found = []
    for dataset, place in folder.items():
        for one in _tables(dataset, collection, lines, style):
            name = f"{place}-{one.name}"
            labelled = replace(one, name=f"{place}/{one.name}", label=f"{style.label}{name}")
            text, share = render(labelled, style.layout)
            found.append(
                Written(path=PurePosixPath(place, f"{one.name}.tex"), text=text, share=share)
            )
    found.append(Written(path=PurePosixPath(PREVIEW), text=_preview(found, style), share=0.0))
    return found


def _tables(dataset: str, collection: Collection, lines: Lines, style: Style) -> list[Table]:
    names = Names.of([run for run in collection.runs if run.dataset == dataset], style)
    comparisons = lines.analysis.comparisons
    notices = [n for n in collection.notices if n.dataset in ("", dataset)]
    overall, labels, folds = (
        _of(part, dataset, "test") for part in (lines.overview, lines.labels, lines.folds)
    )
    contenders = [c for c in lines.analysis.contenders if c.dataset == dataset]
    captions = _Captions(style, style.name(dataset), collection.of_points)
    have = _present(overall)
    keys = [key for key in style.keys if key in have]
    common = names, style, comparisons, notices
    found: list[Table | None] = []

    for number, group in enumerate(style.metrics, start=1):
        group = [key for key in group if key in have]
        if group:
            named = {"name": f"overview-{number}", "caption": captions.of("overview", group)}
            named["costs"] = lines.costs
            found.append(latex_overview.overview(overall, group, *common, **named))
    for key in keys:
        named = {"name": f"labels-{key}", "caption": captions.of("labels", [key])}
        if collection.of_points:
            found.append(latex_grid.landmarks(overall, labels, key, names, style, **named))
        elif len({line.label for line in labels}) > 1:
            found.append(latex_grid.labels(overall, labels, key, *common, **named))
    if any(line.missed or line.invented for line in labels):
        named = {"name": "counts", "caption": captions.of("counts", [])}
        found.append(latex_grid.counts(labels, names, style, notices, **named))
    for key in keys:
        if len({line.fold for line in folds if line.fold}) > 1:
            named = {"name": f"folds-{key}", "caption": captions.of("folds", [key])}
            whole = latex_grid.folds(overall, folds, key, *common, **named)
            if not fits(whole, style.layout):
                whole = latex_grid.folds(overall, folds, key, *common, **named, spread=False)
            found.append(whole)
    for key in keys:
        compared = names, style, comparisons, contenders
        named = {"name": f"pairs-{key}", "caption": captions.of("pairs", [key])}
        found.append(latex_pairs.pairs(overall, key, *compared, **named))
        named = {"name": f"matrix-{key}", "caption": captions.of("matrix", [key])}
        found.append(latex_pairs.matrix(dataset, "test", key, *compared, **named))
    titles = {c.name: latex_pairs.title(c, names) for c in contenders}
    for one in lines.analysis.rankings:
        if (one.dataset, one.stage) == (dataset, "test") and one.metric in keys:
            named = {
                "name": f"ranking-{one.metric}",
                "caption": captions.of("ranking", [one.metric]),
            }
            found.append(latex_ranking.ranking(one, names, style, titles, **named))
    repeated = [s for s in lines.analysis.seeds if (s.dataset, s.stage) == (dataset, "test")]
    if repeated:
        named = {"name": "seeds", "caption": captions.of("seeds", keys)}
        found.append(latex_ranking.seeds(repeated, keys, names, style, **named))
    found += _zeroshot(dataset, names, lines, style, captions, notices)
    found = [one for one in found if one is not None]
    if collection.of_points:
        found = [_by_case(one) for one in found]
    return found


def _by_case(one: Table) -> Table:
    """A table of landmarks that has cases for its unit says what a case is worth."""
    if not one.name.startswith(("pairs-", "matrix-", "ranking-", "seeds")):
        return one
    return replace(one, notes=(*one.notes, CASE_OF_POINTS))


def _zeroshot(dataset, names, lines: Lines, style: Style, captions: "_Captions", notices):
    """The overview of every zero-shot set, and each metric of it beside the own test."""
    mine = [line for line in lines.zeroshot if line.dataset == dataset]
    places = slugs([line.set for line in mine])
    found = []
    for name, place in places.items():
        stage = next(
            line.stage
            for line in lines.overview
            if line.dataset == dataset
            and line.stage.startswith(STAGE)
            and (line.stage.removeprefix(STAGE).strip() or "unnamed set") == name
        )
        overall = _of(lines.overview, dataset, stage)
        have = _present(overall)
        shown = style.name(name)
        for number, group in enumerate(style.metrics, start=1):
            group = [key for key in group if key in have]
            if group:
                found.append(
                    latex_overview.overview(
                        overall,
                        group,
                        names,
                        style,
                        lines.analysis.comparisons,
                        notices,
                        name=f"zeroshot-{place}-{number}",
                        caption=captions.of("zeroshot", group, shown),
                        what=f"cases of {shown}",
                    )
                )
        for key in (key for key in style.keys if key in have):
            named = {"name": f"zeroshot-{place}-{key}"}
            named["caption"] = captions.of("zeroshot", [key], shown, beside=True)
            foreign = [line for line in mine if line.set == name]
            found.append(latex_zeroshot.zeroshot(foreign, key, names, style, **named))
    return found


class _Captions:
    """The author's caption of a kind of table, else ours; LaTeX."""

    def __init__(self, style: Style, dataset: str, points: bool) -> None:
        self._style, self._dataset = style, dataset
        self._label = "landmark" if points else "label"

    def of(self, kind: str, keys: Sequence[str], set: str = "", beside: bool = False) -> str:
        metrics = _and([self._style.shown(key).title for key in keys])
        given = self._style.captions.get(kind)
        if given is not None:
            for word, text in (("dataset", self._dataset), ("metrics", metrics), ("set", set)):
                given = given.replace(f"<{word}>", text)
            return given
        dataset = self._dataset
        return {
            "overview": f"{metrics} on the test cases of {dataset}.",
            "labels": f"{metrics} on the test cases of {dataset}, {self._label} by {self._label}.",
            "counts": f"Missed and invented structures in the test cases of {dataset}.",
            "folds": f"{metrics} on the test cases of {dataset}, fold by fold.",
            "pairs": f"Paired comparison of {metrics} with the best run on {dataset}.",
            "matrix": f"Paired comparison of {metrics} between all runs on {dataset}.",
            "ranking": f"Rankings by {metrics} on {dataset}, and their stability.",
            "seeds": f"{metrics} of repeated trainings on {dataset}.",
            "zeroshot": f"{metrics} on {set}, not seen in training on {dataset}"
            + (", beside the own test." if beside else "."),
        }[kind]


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _of(lines: Sequence[Line], dataset: str, stage: str) -> list[Line]:
    return [line for line in lines if (line.dataset, line.stage) == (dataset, stage)]


def _present(lines: Sequence[Line]) -> set[str]:
    """The metrics that some line has a value of."""
    return {
        key
        for line in lines
        for key, about in line.metrics.items()
        if about.count or about.infinite
    }


def _preview(written: Sequence[Written], style: Style) -> str:
    """A document with the text width the tables are made for."""
    packages = "booktabs,graphicx" + (
        ",rotating" if style.layout.environment == "sidewaystable" else ""
    )
    parts = []
    before = None
    for one in written:
        if one.path.parent != before:
            parts.append(rf"\clearpage\section*{{{escape(str(one.path.parent))}}}")
            before = one.path.parent
        parts.append(rf"\input{{{one.path}}}")
    body = "\n".join(parts)
    return (
        "% All tables on one look: pdflatex tables.tex, in this folder. Written by MOS (cmd/summary).\n"
        "\\documentclass{article}\n"
        f"\\usepackage[a4paper,textwidth={style.layout.width:g}mm,textheight=240mm]{{geometry}}\n"
        f"\\usepackage{{{packages}}}\n"
        "% No floats here: one table below the other, as they come.\n"
        "\\makeatletter\n"
        "\\newenvironment{mosplain}{\\par\\bigskip\\noindent\\minipage{\\linewidth}\\def\\@captype{table}}"
        "{\\endminipage\\par}\n"
        "\\let\\table\\mosplain\\let\\endtable\\endmosplain\n"
        "\\expandafter\\let\\csname table*\\endcsname\\mosplain\n"
        "\\expandafter\\let\\csname endtable*\\endcsname\\endmosplain\n"
        "\\makeatother\n"
        "\\setlength{\\belowcaptionskip}{4pt}  % article has none, its captions are made for below\n"
        "\\begin{document}\n"
        f"{body}\n"
        "\\end{document}\n"
    )
