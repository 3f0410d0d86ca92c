"""Scores as cells of a LaTeX column: mean and spread, the best bold, runs no worse by test marked."""

import math
from collections.abc import Sequence

from mos.report.compare import Comparisons
from mos.report.latex_style import Shown, Style
from mos.report.latex_text import NOTHING, aligned, number
from mos.report.statistics import Description
from mos.report.table import Line


def scores(
    lines: Sequence[Line], key: str, style: Style, comparisons: Comparisons | None = None
) -> list[str]:
    """One cell per line, all of one dataset, stage, label and fold: a column of the metric `key`.

    The dagger is given by `comparisons`; without them, as for single folds, none is given.
    """
    shown = style.shown(key)
    means, spreads = _numbers([line.metrics.get(key) for line in lines], shown, style)
    best = _best(lines, key, means)
    alike = _alike(lines, key, comparisons) - {lines[i].run for i in best}
    cells = []
    for i, line in enumerate(lines):
        cell = rf"\mosbest{{{means[i]}}}" if i in best else means[i]
        mark = r"\mosalike{}" if line.run in alike else ""
        cells.append(cell + spreads[i] + mark)
    return cells


def plain(descriptions: Sequence[Description | None], key: str, style: Style) -> list[str]:
    """Mean and spread without any mark."""
    means, spreads = _numbers(descriptions, style.shown(key), style)
    return [mean + spread for mean, spread in zip(means, spreads)]


def has_marks(cells: Sequence[str]) -> tuple[bool, bool]:
    """Whether some cell is marked best, and whether some is marked as not different from the best."""
    text = " ".join(cells)
    return r"\mosbest" in text, r"\mosalike" in text


def _numbers(
    descriptions: Sequence[Description | None], shown: Shown, style: Style
) -> tuple[list[str], list[str]]:
    """Means and what stands behind them, (n,) each; equally wide, so that centred they are aligned."""
    means = aligned([_value(about, "mean", shown) for about in descriptions])
    if style.spread == "none":
        return means, [""] * len(means)
    if style.spread == "sd":
        sds = aligned([_value(about, "sd", shown) for about in descriptions])
        spreads = [rf"\,$\pm$\,{sd}" if sd != NOTHING else "" for sd in sds]
    else:
        lows = aligned([_value(about, "low", shown) for about in descriptions])
        highs = aligned([_value(about, "high", shown) for about in descriptions])
        spreads = [f" [{low}, {high}]" if low != NOTHING else "" for low, high in zip(lows, highs)]
    fill = next((spread for spread in spreads if spread), "")
    return means, [
        spread or (rf"\phantom{{{fill}}}" if fill and mean != NOTHING else "")
        for mean, spread in zip(means, spreads)
    ]


def _value(about: Description | None, part: str, shown: Shown) -> str:
    value = getattr(about, part) if about is not None else math.nan
    return number(value * shown.factor, shown.digits)


def _best(lines: Sequence[Line], key: str, means: Sequence[str]) -> set[int]:
    """The best line, and those it is not better than in print: bold on one alone would look like a slip."""
    best = [i for i, line in enumerate(lines) if key in line.best]
    if not best:
        return set()
    first = best[0]
    about = lines[first].metrics[key]
    return set(best) | {
        i
        for i, line in enumerate(lines)
        if line.comparable
        and means[i] == means[first]
        and line.metrics[key].infinite == about.infinite
    }


def _alike(lines: Sequence[Line], key: str, comparisons: Comparisons | None) -> frozenset[str]:
    best = next((line for line in lines if key in line.best), None)
    if best is None or comparisons is None:
        return frozenset()
    runs = [line.run for line in lines if line.comparable and key in line.metrics]
    return comparisons.same_as(best.dataset, best.stage, best.label, key, best.run, runs)
