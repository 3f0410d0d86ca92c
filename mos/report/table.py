"""The tables of the report: runs by rows, metrics by columns; which value of a column is best."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from mos.report.collect import Collection
from mos.report.metric import METRICS, Metric
from mos.report.rows import case_means
from mos.report.run_record import Run
from mos.report.statistics import Description, describe


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
    in_reference: int = 0  # structures (a label of a case) that the reference has
    missed: int = 0  # of these, not in the prediction
    not_in_reference: int = 0
    invented: int = 0  # of these, in the prediction
    metrics: dict[str, Description] = field(default_factory=dict)
    best: frozenset[str] = frozenset()  # metrics in which this line is best of its column
    comparable: bool = True  # its cases and labels are those most lines of the column have


def overview(collection: Collection) -> list[Line]:
    """One line per run name, dataset and stage, folds pooled by case; runs without scores included."""
    lines = _lines(collection.rows, [])
    have = {(line.dataset, line.run) for line in lines if line.stage == "test"}
    lines += [_empty(run) for run in collection.runs if (run.dataset, run.name) not in have]
    once = {(line.dataset, line.stage, line.run): line for line in lines}
    return [once[key] for key in sorted(once)]


def per_label(collection: Collection) -> list[Line]:
    """One line per run name, dataset, stage and label, folds pooled by case; label by label."""
    return sorted(_lines(collection.rows, ["label"]), key=lambda line: line.label)


def per_fold(collection: Collection) -> list[Line]:
    """One line per run name, dataset, stage and fold; folds without scores included."""
    lines = _lines(collection.rows, ["fold"])
    have = {(line.dataset, line.run, line.fold) for line in lines if line.stage == "test"}
    for run in collection.runs:
        if (run.dataset, run.name, run.fold) not in have:
            lines.append(replace(_empty(run), fold=run.fold))
    return sorted(lines, key=lambda line: (line.dataset, line.stage, line.run, line.fold))


def _empty(run: Run) -> Line:
    """The line of a run without test scores."""
    names = {key: getattr(run, key) for key in ("network", "tag", "dims", "aux", "postfix")}
    return Line(dataset=run.dataset, stage="test", run=run.name, **names)


def _lines(rows: pd.DataFrame, extra: list[str]) -> list[Line]:
    """Makes a line of every (dataset, stage, *extra, run) and marks the best of each column."""
    lines = []
    rows = rows[rows["state"] != "not scored"]
    for _, column in rows.groupby(["dataset", "stage", *extra], sort=True):
        group = [(_line(of, extra), _content(of)) for _, of in column.groupby("run", sort=True)]
        lines += _mark_best(group)
    return lines


def _line(of: pd.DataFrame, extra: list[str]) -> Line:
    first = of.iloc[0]
    # A case has one value per fold that scored it (one, but for zero-shot sets, which every fold
    # scores), and counts once, with their mean.
    values = case_means(of, ["fold", "case"]).groupby("case").mean()
    patients = of.drop_duplicates("case").set_index("case")["patient"].loc[values.index].tolist()
    states = Counter(of["state"])
    names = ("dataset", "stage", "run", "network", "tag", "dims", "aux", "postfix")
    return Line(
        **{name: first[name] for name in names},
        fold=first["fold"] if "fold" in extra else None,
        label=int(first["label"]) if "label" in extra else None,
        label_name=first["label_name"] if "label" in extra else "",
        folds=tuple(sorted(of["fold"].unique())),
        cases=len(values),
        patients=len(set(patients)),
        in_reference=states["scored"] + states["missed"],
        missed=states["missed"],
        not_in_reference=states["absent"] + states["invented"],
        invented=states["invented"],
        metrics={m.key: describe(values[m.key].to_numpy(), patients) for m in METRICS},
    )


def _content(of: pd.DataFrame) -> frozenset:
    return frozenset(zip(of["case"], of["label"]))


def _mark_best(group: list[tuple[Line, frozenset]]) -> list[Line]:
    """Marks the best of each metric among the lines that share their cases and labels.

    Means over different cases are not compared. Of two distances the one that leaves out fewer
    infinite cases is better, whatever its mean: leaving out the missed ones must not pay.
    """
    sharing = defaultdict(list)
    for index, (_, content) in enumerate(group):
        sharing[content].append(index)
    common = max(sharing, key=lambda content: (len(sharing[content]), len(content)))
    best = defaultdict(set)
    for metric in METRICS:
        ranks = {}
        for index in sharing[common]:
            about = group[index][0].metrics[metric.key]
            if math.isfinite(about.mean):
                rank = -about.mean if metric.higher_is_better else about.mean
                ranks[index] = (about.infinite, round(rank, 9))
        if len(ranks) > 1:
            for index, rank in ranks.items():
                if rank == min(ranks.values()):
                    best[index].add(metric.key)
    return [
        replace(line, best=frozenset(best[index]), comparable=index in sharing[common])
        for index, (line, _) in enumerate(group)
    ]


def overview_frame(lines: Sequence[Line]) -> pd.DataFrame:
    """The overview as result.csv has it: one row per line, plain numbers, nan for none."""
    records = []
    for line in lines:
        record = {
            key: getattr(line, key)
            for key in "dataset stage run network tag dims aux postfix cases patients".split()
        }
        record |= {"folds": " ".join(line.folds), "in_reference": line.in_reference}
        record |= {"missed": line.missed, "not_in_reference": line.not_in_reference}
        record |= {"invented": line.invented, "comparable": line.comparable}
        for metric in METRICS:
            about = line.metrics.get(metric.key)
            for part in "count infinite undefined mean sd standard_error low high".split():
                value = getattr(about, part) if about else None
                record[f"{metric.key}_{part}"] = value
        records.append(record)
    return pd.DataFrame(records)


def overview_text(lines: Sequence[Line]) -> str:
    """The overview for a terminal: one block per dataset and stage; `*` marks the best of a column."""
    blocks = []
    for dataset, stage in dict.fromkeys((line.dataset, line.stage) for line in lines):
        header = ["run", *(m.header for m in METRICS), "missed", "invented", "cases", "folds"]
        table = [header]
        for line in lines:
            if (line.dataset, line.stage) == (dataset, stage):
                cells = [mean_sd_text(line, metric) for metric in METRICS]
                counts = [line.missed, line.invented, line.cases, len(line.folds)]
                table.append([line.run, *cells, *(str(count) for count in counts)])
        widths = [max(map(len, column)) for column in zip(*table)]
        text = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths))
            ).rstrip()
            for row in table
        ]
        blocks.append("\n".join([f"{dataset}, {stage}", *text]))
    return "\n\n".join(blocks)


def mean_sd_text(line: Line, metric: Metric) -> str:
    """`0.897 ± 0.041 (-1)*`: mean and sd of the finite cases, cases left out, best of its column."""
    about = line.metrics.get(metric.key)
    if about is None or not about.count:
        return "-"
    text = f"{about.mean:.{metric.digits}f}"
    text += f" ± {about.sd:.{metric.digits}f}" if math.isfinite(about.sd) else ""
    text += f" (-{about.left_out})" if about.left_out else ""
    return text + ("*" if metric.key in line.best else "")
