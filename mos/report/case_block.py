"""The scores of single cases as the page carries them: whole numbers in lists, one block per dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mos.report.metric import Metric, metrics_in
from mos.report.scores import group_means

if TYPE_CHECKING:
    import pandas as pd

NAN, INF = -1_000_000_000, -2_000_000_000  # no metric's value comes near
LETTERS = {"scored": "s", "missed": "m", "invented": "i", "absent": "a", "masked": "k"}
VARIES, NO_ROW = "v", "-"


def case_block(rows: pd.DataFrame) -> dict[str, Any]:
    """The rows of one dataset (of `collect`), case by case.

    A case that several folds scored (of a zero-shot set) has the mean over folds, as in the tables.

    Returns:
        metrics: those that occur, as {key, header, digits, higher, scale}; a value is its whole
            number / scale; NAN and INF stand for nan and infinity.
        labels: [id, name] of those scored.
        cases, patients: names, whose case it is.
        stages: stage -> run -> {c: numbers of its cases; f: the folds that scored each;
            v: [label or mean][metric][case] whole numbers, first the mean over the labels scored,
            then the labels in order; s: [label] a letter per case of LETTERS, VARIES where folds
            disagree, NO_ROW where a label is not scored}.
    """
    rows = rows[rows["state"] != "not scored"]
    metrics = [m for m in metrics_in(rows.columns) if rows[m.key].notna().any()]
    labels = rows.drop_duplicates("label").sort_values("label")
    block = {
        "metrics": [_about(metric) for metric in metrics],
        "labels": [[int(i), str(name)] for i, name in zip(labels["label"], labels["label_name"])],
        "cases": [],
        "patients": [],
        "stages": {},
    }
    if not len(rows):
        return block
    (stage, stages), (run, runs), (case, cases), (fold, folds), (label, _) = (
        _numbered(rows[key]) for key in ("stage", "run", "case", "fold", "label")
    )
    values = rows[[metric.key for metric in metrics]].to_numpy(float)
    of_case = (stage * len(runs) + run) * len(cases) + case
    # As `table.case_scores`: the mean over labels of each fold's scoring, then over the folds.
    scored, of_scored = np.unique(of_case * len(folds) + fold, return_inverse=True)
    whole, of_whole = np.unique(scored // len(folds), return_inverse=True)
    means = group_means(group_means(values, of_scored, len(scored)), of_whole, len(whole))

    count = len(block["labels"])
    cell, of_cell = np.unique(of_case * count + label, return_inverse=True)
    place = np.searchsorted(whole, cell // count), cell % count
    by_label = np.full((len(whole), count, len(metrics)), np.nan)
    by_label[place] = group_means(values, of_cell, len(cell))
    letter = np.full((len(whole), count), NO_ROW)
    letter[place] = _letters(rows["state"], of_cell, len(cell))

    numbers = _whole_numbers(np.concatenate([means[:, None], by_label], axis=1), metrics)
    several = np.bincount(of_whole, minlength=len(whole)) > 1
    first = scored[np.searchsorted(scored // len(folds), whole)] % len(folds)
    edges = np.flatnonzero(np.diff(whole // len(cases), prepend=-1, append=-1))
    for start, stop in zip(edges, edges[1:]):
        which = int(whole[start]) // len(cases)
        block["stages"].setdefault(stages[which // len(runs)], {})[runs[which % len(runs)]] = {
            "c": (whole[start:stop] % len(cases)).tolist(),
            "f": ["*" if s else folds[i] for s, i in zip(several[start:stop], first[start:stop])],
            "v": numbers[start:stop].transpose(1, 2, 0).tolist(),
            "s": ["".join(column) for column in letter[start:stop].T.tolist()],
        }
    owners = rows.drop_duplicates("case").set_index("case")["patient"]
    return block | {"cases": cases, "patients": [str(owners[name]) for name in cases]}


def _about(metric: Metric) -> dict[str, Any]:
    return {
        "key": metric.key,
        "title": metric.title,
        "header": metric.header,
        "digits": metric.digits,
        "higher": metric.higher_is_better,
        "scale": 10 ** (metric.digits + 2),
    }


def _numbered(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    import pandas as pd

    numbers, names = pd.factorize(column, sort=True)
    return numbers.astype(np.int64), [str(name) for name in names]


def _letters(state: pd.Series, group: np.ndarray, count: int) -> np.ndarray:
    """(count,) the letter of each group's state; VARIES where its rows have several."""
    import pandas as pd

    kinds = list(LETTERS)
    number = pd.Categorical(state, categories=kinds).codes
    seen = np.zeros((count, len(kinds)), bool)
    seen[group, number] = True
    letters = np.array(list(LETTERS.values()))[seen.argmax(axis=1)]
    return np.where(seen.sum(axis=1) > 1, VARIES, letters)


def _whole_numbers(values: np.ndarray, metrics: Sequence[Metric]) -> np.ndarray:
    """Values (..., metrics) times each metric's scale, rounded."""
    scales = np.array([10 ** (metric.digits + 2) for metric in metrics])
    finite = np.isfinite(values)
    numbers = np.where(np.isinf(values), INF, NAN)
    numbers[finite] = np.rint(np.where(finite, values, 0) * scales)[finite]
    return numbers
