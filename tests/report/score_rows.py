"""Rows as `collect` makes them, written down score by score, for tests of statistics."""

import math

import pandas as pd

from mos.report.metric import KEYS, METRICS
from mos.report.seeds import Contender

NAN = math.nan


def rows_of(scores: dict, *, dataset="heart", stage="test", fold="0", patients=None, key="dice"):
    """A frame from {run: {case: score, or {label: score}}}.

    A score is a number, or `missed`, `invented`, `absent`, `unknown`. The metric is `key`, the others
    are unknown. A case's patient is its first letter, or what `patients` says.
    """
    metric = next(metric for metric in METRICS if metric.key == key)
    rows = []
    for run, cases in scores.items():
        for case, labels in cases.items():
            for label, score in (labels if isinstance(labels, dict) else {1: labels}).items():
                state = score if score in ("missed", "invented", "absent") else "scored"
                value = score
                if isinstance(score, str):
                    value = {"missed": metric.missed, "invented": metric.invented}.get(score, NAN)
                row = {"dataset": dataset, "stage": stage, "run": run, "fold": fold, "case": case}
                row |= {"patient": (patients or {}).get(case, case[0]), "label": label}
                row |= {"label_name": f"label {label}", "state": state}
                rows.append(row | dict.fromkeys(KEYS, NAN) | {key: value})
    return pd.DataFrame(rows)


def contenders_of(rows, *, teams=None):
    """One contender per run; `teams` {name: runs} are repetitions."""
    teams = teams or {}
    repeated = {run for runs in teams.values() for run in runs}
    groups = {(d, r): (r,) for d, r in zip(rows["dataset"], rows["run"]) if r not in repeated}
    groups |= {(rows["dataset"].iloc[0], name): tuple(runs) for name, runs in teams.items()}
    return [
        Contender(
            dataset=dataset,
            name=name,
            runs=runs,
            seeds=tuple(map(str, range(len(runs)))),
            order=(name,),
        )
        for (dataset, name), runs in sorted(groups.items())
    ]
