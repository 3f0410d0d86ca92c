"""The scores of one dataset and stage as arrays, ready to be paired by case id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mos.report.metric import Metric, metrics_in
from mos.report.seeds import Contender

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 2_000_000  # scores


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Scores of contenders (k) on cases (n) of patients, for labels (L) and metrics (M).

    A unit (u) is a case in a fold: in a test every case has one, in a zero-shot set one per fold.
    Cases are sorted by patient, units by case.
    """

    dataset: str
    stage: str
    metrics: tuple[Metric, ...]
    contenders: tuple[Contender, ...]  # those with scores here
    cases: tuple[str, ...]
    patient: np.ndarray  # (n,) whose case, 0.. without gaps, in the order of the patients' names
    labels: tuple[int, ...]
    label_names: tuple[str, ...]
    runs_of: tuple[np.ndarray, ...]  # (k,) arrays of indices along the first axis of `values`
    values: np.ndarray  # (runs, u, L, M), nan: nothing to score, not scored or not known
    unit_case: np.ndarray  # (u,) index of its case
    # (k, n, L, M): every run of the contender has a verdict, which may be that there is nothing.
    known: np.ndarray

    @property
    def parts(self) -> list[str | np.ndarray]:
        """All that is in it, for `Cache.remember`."""
        keys = [metric.key for metric in self.metrics]
        about = self.contenders, self.cases, self.labels, self.label_names
        arrays = self.patient, *self.runs_of, self.values, self.unit_case, self.known
        return [repr((self.dataset, self.stage, keys, *about)), *arrays]

    def case_values(self, which: Sequence[int], mask: np.ndarray) -> np.ndarray:
        """Scores of the contenders `which`, counting only cells of `mask` (n, L, M).

        As the tables count: the mean over labels, then over the folds that scored the case, then
        over seeds; nan is left out of each, inf makes it inf.

        Returns:
            (len(which), n, M).
        """
        labels = mask.any(axis=(0, 2))  # one label's sheet need not walk through all of them
        mask = mask[:, labels]
        runs = [self.runs_of[contender] for contender in which]
        once = self._of_runs(np.array([of[0] for of in runs], int), labels, mask)
        for place, of in enumerate(runs):
            if len(of) > 1:
                once[place] = known_mean(self._of_runs(of, labels, mask), 0)
        return once

    def run_values(self, contender: int) -> np.ndarray:
        """(seeds, n, M): as `case_values`, each run of one contender by itself."""
        every = np.ones(len(self.labels), bool)
        return self._of_runs(self.runs_of[contender], every, self.known[contender])

    def only(self, place: int) -> np.ndarray:
        """`known` (k, n, L, M) of the label at `place` alone."""
        known = np.zeros_like(self.known)
        known[:, :, place] = self.known[:, :, place]
        return known

    def alike(self, known: np.ndarray) -> list[int]:
        """The contenders that have the cases and labels that most have, the rule of the tables.

        Args:
            known: (k, n, L) of one metric.
        """
        sharing: dict[bytes, list[int]] = {}
        for number, one in enumerate(known):
            sharing.setdefault(one.tobytes(), []).append(number)
        return max(sharing.values(), key=lambda of: (len(of), known[of[0]].sum()))

    def _of_runs(self, runs: np.ndarray, labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """(runs, n, M): each run by itself."""
        found = np.empty((len(runs), len(self.cases), mask.shape[-1]))
        hidden = ~mask[self.unit_case]
        step = max(1, _AT_ONCE // max(1, hidden.size))  # bounds the memory of what lies between
        for first in range(0, len(runs), step):
            units = self.values[runs[first : first + step]][:, :, labels]
            units[:, hidden] = np.nan
            means = known_mean(units, 2)
            if len(self.unit_case) > len(self.cases):
                means = np.moveaxis(means, 1, 0)
                means = np.moveaxis(grouped_mean(means, self.unit_case, len(self.cases)), 0, 1)
            found[first : first + step] = means
        return found


def sheets(rows: pd.DataFrame, contenders: Sequence[Contender]) -> list[Sheet]:
    """One sheet per dataset and stage of `rows` (the frame of `collect`), in their order."""
    import pandas as pd

    rows = rows[(rows["state"] != "not scored").to_numpy(bool)]
    if not len(rows):
        return []
    names = "dataset stage run case fold patient label".split()
    coded = {key: pd.factorize(rows[key], sort=True) for key in names}
    metrics = metrics_in(rows.columns)
    values = rows[[metric.key for metric in metrics]].to_numpy(float)
    nothing = rows["state"].isin(("absent", "masked")).to_numpy(bool)
    label_name = rows["label_name"].to_numpy()
    stages = coded["stage"][1]
    group = coded["dataset"][0] * len(stages) + coded["stage"][0]
    order = np.argsort(group, kind="stable")
    found = []
    for where in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        code = {key: np.asarray(coded[key][0][where]) for key in names}
        dataset = str(coded["dataset"][1][code["dataset"][0]])
        runs, run = np.unique(code["run"], return_inverse=True)
        at = {str(coded["run"][1][number]): place for place, number in enumerate(runs)}
        mine = [
            one for one in contenders if one.dataset == dataset and all(r in at for r in one.runs)
        ]
        cases, patient, unit_case, unit = _cases(code["case"], code["patient"], code["fold"])
        labels, first, label = np.unique(code["label"], return_index=True, return_inverse=True)
        shape = (len(runs), len(unit_case), len(labels))
        table = np.full((*shape, len(metrics)), np.nan)
        table[run, unit, label] = values[where]
        verdict = np.zeros(table.shape, bool)
        verdict[run, unit, label] = ~np.isnan(values[where]) | nothing[where][:, None]
        starts = np.flatnonzero(np.diff(unit_case, prepend=-1))
        per_case = np.logical_or.reduceat(verdict, starts, axis=1)
        runs_of = tuple(np.array([at[name] for name in one.runs]) for one in mine)
        if not mine:
            continue
        found.append(
            Sheet(
                dataset=dataset,
                stage=str(stages[code["stage"][0]]),
                metrics=metrics,
                contenders=tuple(mine),
                cases=tuple(str(coded["case"][1][number]) for number in cases),
                patient=patient,
                labels=tuple(int(coded["label"][1][number]) for number in labels),
                label_names=tuple(str(label_name[where[place]]) for place in first),
                runs_of=runs_of,
                values=table,
                unit_case=unit_case,
                known=np.stack([per_case[of].all(axis=0) for of in runs_of]),
            )
        )
    return found


def best_order(scores: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """Places of contenders from best to worst by their means over cases, the rule of the tables.

    Fewest infinite scores first, then the mean of the finite ones; equal ones in their order.

    Args:
        scores: (k, n), nan where there is nothing to score.
    """
    infinite = np.isinf(scores).sum(axis=1)
    means = known_mean(np.where(np.isfinite(scores), scores, np.nan), 1)
    means = np.where(np.isnan(means), np.inf, -means if higher_is_better else means)
    return np.lexsort((np.round(means, 9), infinite))


def known_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Means along an axis, nan left out; nan where nothing is left, inf where one is inf."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def grouped_mean(values: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """`known_mean` of `values` (n, ...) over each of `count` groups; `group` (n,) is sorted, no gaps.

    Returns:
        (count, ...).
    """
    if len(group) == count:
        return values
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    known = ~np.isnan(values)
    total = np.add.reduceat(np.where(known, values, 0), starts, axis=0)
    number = np.add.reduceat(known.astype(float), starts, axis=0)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def _cases(
    case: np.ndarray, patient: np.ndarray, fold: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Numbers cases by patient and units by case.

    Returns:
        (n,) codes of the cases; (n,) patient of each, without gaps; (u,) case of each unit; the unit
        of each row.
    """
    codes, first = np.unique(case, return_index=True)
    order = np.lexsort((codes, patient[first]))
    cases = codes[order]
    _, patients = np.unique(patient[first][order], return_inverse=True)
    place = np.empty(len(codes), int)
    place[order] = np.arange(len(codes))
    of_row = place[np.searchsorted(codes, case)]
    units, unit = np.unique(of_row * (fold.max() + 1) + fold, return_inverse=True)
    return cases, patients, units // (fold.max() + 1), unit
