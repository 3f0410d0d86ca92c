"""The cumulative error curve of landmarks as the numbers of an SVG picture: the share of points within x mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mos.report.curve import round_ticks
from mos.report.metric import PointMetric, metrics_in

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT = 720, 330
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 14, 40
_LEAST, _MOST = 5.0, 10.0  # mm, ends of the axis
_STEPS = 160  # along the axis
COLOURS, DASHES = 5, 3  # classes of the style sheet: fifteen lines that can be told apart


@dataclass(frozen=True, kw_only=True)
class RunCurve:
    """One run: `path` is the d of an SVG path, `beyond` the share of points right of the axis."""

    run: str
    colour: int
    dash: int
    path: str
    points: int
    beyond: float


@dataclass(frozen=True, kw_only=True)
class ErrorCurve:
    """One picture; ticks are (position, text) in its own units, marks the radii of the metrics."""

    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    marks: tuple[tuple[float, str], ...]
    runs: tuple[RunCurve, ...]


def error_curve(rows: pd.DataFrame, runs: Sequence[str]) -> ErrorCurve | None:
    """The curves of `runs`, in their order, from the rows of one dataset and stage; None without points.

    Every point that is not masked counts once, those of all folds together. A point without a finite
    prediction is never within anything.
    """
    errors = {run: np.sort(of.dropna().to_numpy(float)) for run, of in rows.groupby("run")["mre"]}
    errors = {run: errors[run] for run in runs if len(errors.get(run, ()))}
    if not errors:
        return None
    known = [of[np.isfinite(of)] for of in errors.values()]
    far = max((float(np.quantile(of, 0.99)) for of in known if len(of)), default=0.0)
    ticks = round_ticks(0, min(max(far, _LEAST), _MOST), 8)
    end = ticks[-1]
    x = np.linspace(0, end, _STEPS + 1)

    def across(mm: float) -> float:
        return round(LEFT + mm / end * (WIDTH - LEFT - RIGHT), 1)

    def up(share: float) -> float:
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    found = []
    for number, (run, of) in enumerate(errors.items()):
        shares = np.searchsorted(of, x, side="right") / len(of)
        found.append(
            RunCurve(
                run=run,
                colour=number % COLOURS,
                dash=number // COLOURS % DASHES,
                path="M" + "L".join(f"{across(mm)} {up(share)}" for mm, share in zip(x, shares)),
                points=len(of),
                beyond=float(1 - shares[-1]),
            )
        )
    radii = [m.within for m in metrics_in(rows.columns) if isinstance(m, PointMetric)]
    return ErrorCurve(
        x_ticks=tuple((across(mm), f"{mm:g}") for mm in ticks),
        y_ticks=tuple((up(share), f"{100 * share:.0f} %") for share in np.linspace(0, 1, 6)),
        marks=tuple((across(mm), f"{mm:g}") for mm in radii if mm is not None and mm <= end),
        runs=tuple(found),
    )
