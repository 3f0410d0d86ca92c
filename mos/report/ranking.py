"""Rankings of many runs, three ways, and how stable each is when patients are resampled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mos.report.cache import Cache
from mos.report.compare import LIMIT
from mos.report.critical_difference import CriticalDifference, critical_difference
from mos.report.differences import patient_utility
from mos.report.paired import midranks, rounded
from mos.report.rank_methods import METHODS as METHODS, Method, rank_three_ways
from mos.report.remembered import remembered
from mos.report.sheet import Sheet, best_order

# Signed ranks summed (pairs x patients x draws) over all rankings of a tree: about a second.
_WORK = 15_000_000


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Contenders of a dataset and stage ranked in one metric, over cases and labels that all have."""

    dataset: str
    stage: str
    metric: str
    contenders: tuple[str, ...]  # best mean rank first
    left_out: tuple[str, ...]  # have other cases or labels, or are not among the best of too many
    cases: int
    patients: int
    methods: dict[str, Method]
    critical_difference: CriticalDifference | None  # None below three contenders


def rankings(sheets: Sequence[Sheet], cache: Cache | None = None) -> list[Ranking]:
    """One ranking per dataset, stage and metric with two contenders on the same cases of two patients.

    All labels together. Of more than LIMIT contenders the best by their means are ranked.
    """
    cache = cache or Cache(None)
    tasks = sum(len(sheet.metrics) for sheet in sheets if len(sheet.contenders) > 1)
    found = []
    for sheet in sheets:
        if len(sheet.contenders) > 1:
            work = _WORK // tasks
            found += remembered(
                cache,
                "rankings",
                [*sheet.parts, str(work)],
                lambda: _rankings(sheet, work),
                [Ranking, Method, CriticalDifference],
                pack=f"{sheet.dataset} {sheet.stage}",
            )
    return found


def _rankings(sheet: Sheet, work: int) -> list[Ranking]:
    """Those of one sheet."""
    found = []
    values: dict[tuple[bytes, tuple[int, ...]], np.ndarray] = {}
    for number, metric in enumerate(sheet.metrics):
        alike = sheet.alike(sheet.known[..., number])
        mask = sheet.known[alike[0]]
        key = mask.tobytes(), tuple(alike)
        if len(alike) > 1 and key not in values:
            values[key] = sheet.case_values(alike, mask)
        counted = mask[:, :, number].any(axis=1)
        owners = sheet.patient[counted]
        if len(alike) < 2 or len(np.unique(owners)) < 2:
            continue
        scores = values[key][:, counted, number]
        best = np.sort(best_order(scores, metric.higher_is_better)[:LIMIT])
        names = [sheet.contenders[alike[place]].name for place in best]
        found.append(_ranking(sheet, number, names, scores[best], owners, work=work))
    return found


def _ranking(
    sheet: Sheet,
    number: int,
    names: Sequence[str],
    scores: np.ndarray,
    owners: np.ndarray,
    work: int,
) -> Ranking:
    metric = sheet.metrics[number]
    _, patient = np.unique(owners, return_inverse=True)
    utility = patient_utility(scores, patient, metric.higher_is_better)
    order = np.argsort(midranks(rounded(-utility.T))[0].mean(axis=0).round(9), kind="stable")
    names = [names[place] for place in order]
    return Ranking(
        dataset=sheet.dataset,
        stage=sheet.stage,
        metric=metric.key,
        contenders=tuple(names),
        left_out=tuple(one.name for one in sheet.contenders if one.name not in names),
        cases=scores.shape[1],
        patients=utility.shape[1],
        methods=rank_three_ways(
            scores[order], patient, higher_is_better=metric.higher_is_better, work=work
        ),
        critical_difference=critical_difference(rounded(utility[order].T), names),
    )
