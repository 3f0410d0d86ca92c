"""The tables of the report: runs by rows, metrics by columns; which value of a column is best."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mos.report.cache import pack_name
from mos.report.collection import Collection
from mos.report.metric import BY_KEY, Metric, PointMetric, metrics_in, of_points
from mos.report.remembered import remembered
from mos.report.run_record import Run, name_order
from mos.report.scores import group_means
from mos.report.statistics import Description, describe

if TYPE_CHECKING:
    import pandas as pd

# Gives what `make` gives, or gave for the same inputs.
Kept = Callable[..., dict[str, Description]]
_NAMES = ("dataset", "stage", "run", "network", "tag", "dims", "aux", "postfix")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of a table: what some cases of one run amount to."""

    dataset: str
    stage: str
    run: str
    network: str
    tag: str
    dims: str
    aux: str
    postfix: str
    fold: str | None = None  # None: all folds, pooled by case
    label: int | None = None  # None: each case counts with the mean of its scored labels
    label_name: str = ""
    folds: tuple[str, ...] = ()
    cases: int = 0
    patients: int = 0
    # Structures (a label of a case) that the reference has. Of landmarks: the points scored.
    in_reference: int = 0
    missed: int = 0  # of these, not in the prediction
    not_in_reference: int = 0  # of landmarks: the points masked
    invented: int = 0  # of these, in the prediction
    metrics: dict[str, Description] = field(default_factory=dict)
    best: frozenset[str] = frozenset()  # metrics in which this line is best of its column
    comparable: bool = True  # its cases and labels are those most lines of the column have

    @property
    def order(self) -> tuple:
        """Lines that are compared stand together: by dataset, stage, label and fold, then by name."""
        name = name_order(self.network, self.tag, self.dims, self.aux, self.postfix, self.run)
        return self.dataset, self.stage, self.label or 0, self.fold or "", name


def overview(collection: Collection) -> list[Line]:
    """One line per run name, dataset and stage, folds pooled by case; runs without scores included."""
    lines = _lines(collection, [])
    have = {(line.dataset, line.run) for line in lines if line.stage == "test"}
    lines += [_empty(run) for run in collection.runs if (run.dataset, run.name) not in have]
    once = {(line.dataset, line.stage, line.run): line for line in lines}
    return sorted(once.values(), key=lambda line: line.order)


def per_label(collection: Collection) -> list[Line]:
    """One line per run name, dataset, stage and label, folds pooled by case; label by label."""
    return sorted(_lines(collection, ["label"]), key=lambda line: line.order)


def per_fold(collection: Collection) -> list[Line]:
    """One line per run name, dataset, stage and fold, fold by fold; those without scores too."""
    lines = _lines(collection, ["fold"])
    have = {(line.dataset, line.run, line.fold) for line in lines if line.stage == "test"}
    for run in collection.runs:
        if (run.dataset, run.name, run.fold) not in have:
            lines.append(replace(_empty(run), fold=run.fold))
    return sorted(lines, key=lambda line: line.order)


def packs(collection: Collection) -> list[str]:
    """Where the cache has what these tables are made of."""
    return [
        pack_name(what, repr((dataset, stage, extra)))
        for dataset, stage in collection.stages
        for extra in ([], ["label"], ["fold"])
        for what in ("lines", "describe")
    ]


def _empty(run: Run) -> Line:
    """The line of a run without test scores."""
    names = {key: getattr(run, key) for key in ("network", "tag", "dims", "aux", "postfix")}
    return Line(dataset=run.dataset, stage="test", run=run.name, **names)


def _lines(collection: Collection, extra: list[str]) -> list[Line]:
    """Makes a line of every (dataset, stage, *extra, run) and marks the best of each column."""
    found = []
    for dataset, stage in collection.stages:
        make = partial(_lines_of, collection, dataset, stage, extra)
        inputs = collection.inputs(dataset, stage)
        if inputs is None:
            found += make()
            continue
        pack = repr((dataset, stage, extra))
        about = {"pack": pack, "stays": [pack_name("describe", pack)]}
        inputs = [*inputs, pack]
        found += remembered(collection.cache, "lines", inputs, make, [Line, Description], **about)
    return found


def _lines_of(collection: Collection, dataset: str, stage: str, extra: list[str]) -> list[Line]:
    """The lines of one dataset and stage."""
    rows = collection.rows
    mine = (rows["dataset"] == dataset) & (rows["stage"] == stage) & (rows["state"] != "not scored")
    rows = rows[mine].reset_index(drop=True)
    if not len(rows):
        return []
    table = Columns.of(rows)
    columns = defaultdict(list)
    groups = rows.groupby(["dataset", "stage", *extra, "run"], sort=True).indices
    describe_with = partial(remembered, collection.cache, "describe", kinds=[Description])
    describe_with = partial(describe_with, pack=repr((dataset, stage, extra)))
    for key, where in groups.items():
        columns[key[:-1]].append((_line(table, where, extra, describe_with), table.content(where)))
    return [line for group in columns.values() for line in _mark_best(group)]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The rows of a collection as arrays, (n,) each: much faster than slices of a frame."""

    names: dict[str, np.ndarray]
    metrics: tuple[Metric, ...]
    values: np.ndarray  # (n, metrics)
    case: np.ndarray  # numbers in the order of the names, so that no result depends on the rows'
    fold: np.ndarray
    patient: np.ndarray
    cell: np.ndarray  # one number for a case and label

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Columns":
        import pandas as pd

        case, fold, patient = (
            pd.factorize(rows[key], sort=True)[0] for key in ("case", "fold", "patient")
        )
        label = pd.factorize(rows["label"])[0]
        metrics = metrics_in(rows.columns)
        return cls(
            names={
                key: rows[key].to_numpy()
                for key in (*_NAMES, "fold", "label", "label_name", "state")
            },
            metrics=metrics,
            values=rows[[metric.key for metric in metrics]].to_numpy(float),
            case=case,
            fold=fold,
            patient=patient,
            cell=case * (label.max(initial=0) + 1) + label,
        )

    def content(self, where: np.ndarray) -> frozenset[int]:
        """Which cases and labels these rows are about."""
        return frozenset(self.cell[where].tolist())


def case_scores(table: Columns, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One row of scores for each case of the rows `where`, all of one run and stage.

    A case has one value per fold that scored it (one, but for zero-shot sets, which every fold
    scores), and counts once, with their mean.

    Returns:
        (n, metrics) means over the labels scored; (n,) whose case each is.
    """
    case, fold = table.case[where], table.fold[where]
    scored, of_row = np.unique(case * (table.fold.max() + 1) + fold, return_inverse=True)
    per_fold = group_means(table.values[where], of_row, len(scored))
    cases, first = np.unique(case, return_index=True)
    _, of_fold = np.unique(scored // (table.fold.max() + 1), return_inverse=True)
    return group_means(per_fold, of_fold, len(cases)), table.patient[where][first]


def _line(table: Columns, where: np.ndarray, extra: list[str], kept: Kept) -> Line:
    """The line of the rows `where`, all of one run and stage."""
    name = {key: column[where[0]] for key, column in table.names.items()}
    values, patients = case_scores(table, where)
    states = Counter(table.names["state"][where].tolist())
    described = (
        describe_points(table, where, kept)
        if of_points(table.metrics)
        else describe_all(values, patients, table.metrics, kept)
    )
    return Line(
        **{key: name[key] for key in _NAMES},
        fold=name["fold"] if "fold" in extra else None,
        label=int(name["label"]) if "label" in extra else None,
        label_name=name["label_name"] if "label" in extra else "",
        folds=tuple(sorted(set(table.names["fold"][where].tolist()))),
        cases=len(values),
        patients=len(set(patients.tolist())),
        in_reference=states["scored"] + states["missed"],
        missed=states["missed"],
        not_in_reference=states["absent"] + states["invented"] + states["masked"],
        invented=states["invented"],
        metrics=described,
    )


def describe_all(
    values: np.ndarray, patients: np.ndarray, metrics: Sequence[Metric], kept: Kept
) -> dict[str, Description]:
    """`describe` of every metric; `values` (n, metrics), `patients` (n,) whose case each is."""
    owners = np.unique(patients, return_inverse=True)[1]

    def make() -> dict[str, Description]:
        return {metric.key: describe(values[:, i], owners) for i, metric in enumerate(metrics)}

    return kept(inputs=[values, owners], make=make)


def describe_points(table: Columns, where: np.ndarray, kept: Kept) -> dict[str, Description]:
    """Every metric over the points of the rows `where` that are not masked, whichever case they are of.

    So a case of few points weighs less than one of many, as challenges of landmarks count. Errors have
    their median too; a share of points has no spread.
    """
    where = where[table.names["state"][where] != "masked"]
    values, owners = table.values[where], np.unique(table.patient[where], return_inverse=True)[1]

    def make() -> dict[str, Description]:
        found = {}
        for i, metric in enumerate(table.metrics):
            about = describe(values[:, i], owners)
            if isinstance(metric, PointMetric) and metric.within is not None:
                about = replace(about, sd=math.nan, standard_error=math.nan)
            elif about.count:
                about = replace(about, median=float(np.median(values[:, i])))
            found[metric.key] = about
        return found

    return kept(inputs=["points", values, owners], make=make)


def _mark_best(group: list[tuple[Line, frozenset[int]]]) -> list[Line]:
    """Marks the best of each metric among the lines that share their cases and labels.

    Means over different cases are not compared. Of two distances the one that leaves out fewer
    infinite cases is better, whatever its mean: leaving out the missed ones must not pay.
    """
    sharing = defaultdict(list)
    for index, (_, content) in enumerate(group):
        sharing[content].append(index)
    common = max(sharing, key=lambda content: (len(sharing[content]), len(content)))
    best = defaultdict(set)
    for key in group[0][0].metrics:
        metric = BY_KEY[key]
        ranks = {}
        for index in sharing[common]:
            about = group[index][0].metrics[metric.key]
            if math.isfinite(about.mean):
                rank = -about.mean if metric.higher_is_better else about.mean
                ranks[index] = (about.infinite, round(rank, 9))
            elif about.infinite:  # missed everything: worse than any that did not
                ranks[index] = (math.inf, math.inf)
        if len(set(ranks.values())) > 1:  # nothing is best where all are equal
            for index, rank in ranks.items():
                if rank == min(ranks.values()):
                    best[index].add(metric.key)
    return [
        replace(line, best=frozenset(best[index]), comparable=index in sharing[common])
        for index, (line, _) in enumerate(group)
    ]
