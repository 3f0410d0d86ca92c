"""Zero-shot scores beside the run's own test: the same run, epoch and labels, other patients."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mos.report.collection import Collection
from mos.report.remembered import remembered
from mos.report.run_record import name_order
from mos.report.statistics import Description, bootstrap_difference, describe
from mos.report.table import Columns, case_scores

STAGE = "zeroshot"


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A metric there and at home; the difference is there minus home."""

    there: Description
    home: Description
    difference: float  # nan where one of them has no finite value
    low: float  # 95 % interval, the patients of both resampled
    high: float


@dataclass(frozen=True, kw_only=True)
class ZeroShotLine:
    """One run on one set it was not trained for."""

    dataset: str
    set: str
    run: str
    order: tuple
    folds: tuple[str, ...]
    labels: tuple[str, ...]  # names of those scored; the own test counts these alone too
    cases: int
    patients: int
    home_cases: int
    home_patients: int
    in_reference: int
    missed: int
    not_in_reference: int
    invented: int
    metrics: dict[str, Gap]


def zeroshot_lines(collection: Collection) -> list[ZeroShotLine]:
    """One line per run name, dataset and zero-shot set, folds pooled by case; sorted.

    A case that several folds scored counts once with their mean; missed and invented count every fold.
    """
    if not any(stage.startswith(STAGE) for _, stage in collection.stages):
        return []
    inputs = collection.inputs()
    if inputs is None:
        return _lines(collection)
    kinds = [ZeroShotLine, Gap, Description]
    return remembered(collection.cache, "zeroshot", inputs, lambda: _lines(collection), kinds)


def _lines(collection: Collection) -> list[ZeroShotLine]:
    rows = collection.rows
    rows = rows[rows["state"] != "not scored"].reset_index(drop=True)
    is_foreign = rows["stage"].str.startswith(STAGE).to_numpy(bool)
    if not is_foreign.any():
        return []
    table = Columns.of(rows)
    names, label = table.names, table.names["label"]
    lines = []
    groups = rows[is_foreign].groupby(["dataset", "stage", "run"], sort=True).indices
    numbers = np.flatnonzero(is_foreign)
    for (dataset, stage, run), where in groups.items():
        there = numbers[where]
        labels, folds = set(label[there]), set(names["fold"][there])
        home = np.flatnonzero(
            (names["dataset"] == dataset)
            & (names["stage"] == "test")
            & (names["run"] == run)
            & np.isin(label.astype(int), [int(one) for one in labels])
            & np.isin(names["fold"].astype(str), sorted(folds))
        )
        lines.append(_line(table, stage, there, home))
    return sorted(lines, key=lambda line: (line.dataset, line.set, line.order))


def _line(table: Columns, stage: str, there: np.ndarray, home: np.ndarray) -> ZeroShotLine:
    name = {key: column[there[0]] for key, column in table.names.items()}
    values, patients = case_scores(table, there)
    own_values, own_patients = np.full((0, len(table.metrics)), np.nan), np.zeros(0, int)
    if len(home):
        own_values, own_patients = case_scores(table, home)
    states = Counter(table.names["state"][there].tolist())
    shown = dict(zip(table.names["label"][there], table.names["label_name"][there]))
    parts = (name[key] for key in ("network", "tag", "dims", "aux", "postfix", "run"))
    return ZeroShotLine(
        dataset=name["dataset"],
        set=stage.removeprefix(STAGE).strip() or "unnamed set",
        run=name["run"],
        order=name_order(*parts),
        folds=tuple(sorted(set(table.names["fold"][there].tolist()))),
        labels=tuple(str(shown[key]) for key in sorted(shown)),
        cases=len(values),
        patients=len(set(patients.tolist())),
        home_cases=len(own_values),
        home_patients=len(set(own_patients.tolist())),
        in_reference=states["scored"] + states["missed"],
        missed=states["missed"],
        not_in_reference=states["absent"] + states["invented"] + states["masked"],
        invented=states["invented"],
        metrics={
            metric.key: _gap(values[:, i], patients, own_values[:, i], own_patients)
            for i, metric in enumerate(table.metrics)
        },
    )


def _gap(
    values: np.ndarray, patients: np.ndarray, own: np.ndarray, own_patients: np.ndarray
) -> Gap:
    there, home = describe(values, patients), describe(own, own_patients)
    finite, own_finite = np.isfinite(values), np.isfinite(own)
    low, high = bootstrap_difference(
        values[finite], patients[finite], own[own_finite], own_patients[own_finite]
    )
    return Gap(there=there, home=home, difference=there.mean - home.mean, low=low, high=high)
