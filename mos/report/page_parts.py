"""What stands where on the page: the parts of each dataset and the tables of each stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mos.report import curve, export, table
from mos.report.analysis import Analysis
from mos.report.collection import Collection
from mos.report.cost import CostLine, Costs
from mos.report.error_curve import ErrorCurve, error_curve
from mos.report.metric import Metric, metrics_in
from mos.report.pivot import Pivot, pivot
from mos.report.ranking import Ranking
from mos.report.run_record import Run
from mos.report.seeds import Contender, SeedLine
from mos.report.worst_cases import WorstCase, worst_cases
from mos.report.zeroshot import ZeroShotLine

STAGE_TITLES = {"test": "Test", "valid": "Validation", "zeroshot": "Zero-shot"}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The tables of one stage of a dataset."""

    key: str
    title: str
    pivot: Pivot
    overview: list[table.Line]
    labels: list[table.Line]
    folds: list[table.Line]
    metrics: list[Metric]  # those that its files have
    # Run names not significantly worse than the best, by metric; the best is not among them.
    like_best: dict[str, frozenset[str]]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset by its place on the page."""

    number: int  # from 1, names its elements
    name: str


@dataclass(frozen=True, kw_only=True)
class DatasetPart(Dataset):
    """One dataset's part of the page."""

    stages: list[Stage]
    zeroshot: list[ZeroShotLine]
    zeroshot_metrics: list[Metric]
    curves: list[tuple[str, list[Run]]]  # name and folds of a run
    ends: tuple[float, float]  # of the axis of their scores
    runs: list[Run]
    costs: list[CostLine]
    seeds: list[SeedLine]
    rankings: list[Ranking]
    errors: ErrorCurve | None = None  # of landmarks, as what follows
    worst: Sequence[WorstCase] = ()

    @property
    def test(self) -> Stage | None:
        """The stage that is judged."""
        return next((stage for stage in self.stages if stage.key == "test"), None)


def datasets(runs: Sequence[Run]) -> list[Dataset]:
    """The datasets of `runs` in the order of their names."""
    names = sorted({run.dataset for run in runs})
    return [Dataset(number=number, name=name) for number, name in enumerate(names, start=1)]


def dataset_part(
    collection: Collection,
    dataset: Dataset,
    overview: Sequence[table.Line],
    per_label: Sequence[table.Line],
    per_fold: Sequence[table.Line],
    zeroshot: Sequence[ZeroShotLine],
    analysis: Analysis | None,
    costs: Costs,
) -> DatasetPart:
    """One dataset's part of the page, from the tables of all."""
    name = dataset.name
    runs = [run for run in collection.runs if run.dataset == name]
    runs.sort(key=lambda run: (run.order, run.fold))
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    mine = [line for line in zeroshot if line.dataset == name]
    folds = per_fold if any(run.fold for run in runs) else ()
    keys = sorted({line.stage for line in overview if line.dataset == name}, key=_stage_order)
    tables = overview, per_label, folds
    return DatasetPart(
        number=dataset.number,
        name=name,
        stages=[_stage(key, name, *tables, analysis, collection.metrics) for key in keys],
        zeroshot=mine,
        zeroshot_metrics=_with_gap(mine),
        curves=list(by_name.items()),
        ends=curve.score_ends(runs, collection.metrics[0]),
        runs=runs,
        costs=[line for (of, _), line in costs.items() if of == name],
        seeds=[one for one in analysis.seeds if one.dataset == name] if analysis else [],
        rankings=(
            [r for r in analysis.rankings if (r.dataset, r.stage) == (name, "test")]
            if analysis
            else []
        ),
        **(_of_points(collection, name, list(by_name)) if collection.of_points else {}),
    )


def _of_points(collection: Collection, dataset: str, names: Sequence[str]) -> dict[str, Any]:
    """What the test of landmarks has besides tables."""
    rows = collection.rows
    tested = rows[(rows["dataset"] == dataset) & (rows["stage"] == "test")]
    return {"errors": error_curve(tested, names), "worst": worst_cases(tested)}


def best_contender(part: DatasetPart, contenders: Sequence[Contender]) -> str | None:
    """The contender with the best of the first metric, whom the others are shown against."""
    stage = part.test
    key = stage.metrics[0].key if stage else ""
    best = {line.run for line in stage.overview if key in line.best} if stage else set()
    return next((c.name for c in contenders if best & set(c.runs)), None)


def _stage(
    key: str,
    dataset: str,
    overview: Sequence[table.Line],
    per_label: Sequence[table.Line],
    per_fold: Sequence[table.Line],
    analysis: Analysis | None,
    metrics: Sequence[Metric],
) -> Stage:
    mine = _of(overview, dataset, key)
    metrics = export.present(mine, metrics)
    like_best = {}
    if analysis:
        # As in the LaTeX tables: means over other cases stand beside no mark of likeness.
        names = [line.run for line in mine if line.comparable]
        for metric in metrics:
            best = next((line.run for line in mine if metric.key in line.best), None)
            if best is not None:
                like_best[metric.key] = analysis.comparisons.same_as(
                    dataset, key, None, metric.key, best, names
                )
    return Stage(
        key=key,
        title=_stage_title(key),
        pivot=pivot(mine),
        overview=mine,
        labels=_of(per_label, dataset, key),
        folds=_of(per_fold, dataset, key),
        metrics=metrics,
        like_best=like_best,
    )


def _of(lines: Sequence[table.Line], dataset: str, stage: str) -> list[table.Line]:
    return [line for line in lines if (line.dataset, line.stage) == (dataset, stage)]


def _with_gap(lines: Sequence[ZeroShotLine]) -> list[Metric]:
    """The metrics that some line has a value of, there or at home."""
    return [
        metric
        for metric in metrics_in(key for line in lines for key in line.metrics)
        if any(
            about.count + about.infinite
            for line in lines
            for about in (line.metrics[metric.key].there, line.metrics[metric.key].home)
        )
    ]


def _stage_title(stage: str) -> str:
    """`Zero-shot: phantom-zeroshot` for the stage `zeroshot phantom-zeroshot`."""
    kind, _, name = stage.partition(" ")
    title = STAGE_TITLES.get(kind, kind)
    return f"{title}: {name}" if name else title


def _stage_order(stage: str) -> tuple[int, str]:
    """Test first, validation last, whatever else (zero-shot sets) between."""
    return ({"test": 0, "valid": 2}.get(stage, 1), stage)
