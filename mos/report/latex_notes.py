"""The sentences below a LaTeX table: what its numbers are of, and what its marks mean."""

import math
from collections.abc import Sequence

from mos.report.compare import SIGNIFICANT, Comparisons
from mos.report.latex_style import Style
from mos.report.metric import metrics_in, of_points
from mos.report.table import Line

CASE_OF_POINTS = "A case counts with the mean of its points."


def basis(lines: Sequence[Line], style: Style, what: str, keys: Sequence[str]) -> str:
    """What means and spreads are over: `Mean ± sd over 42 test cases; best epoch by validation.`

    `what` says which cases, such as "test cases"; `keys` are the metrics shown.
    """
    scored = [line for line in lines if line.metrics]
    points = {(line.in_reference, line.not_in_reference) for line in scored}
    spread = {
        "sd": r"Mean\,$\pm$\,standard deviation over",
        "interval": "Mean and 95\\,\\% interval (bootstrap over patients), over",
        "none": "Mean over",
    }[style.spread]
    if are_points(scored) and style.spread == "sd":
        # Shares of points have none.
        spreads = [line.metrics[key].sd for line in scored for key in keys if key in line.metrics]
        spread = "Mean over" if all(map(math.isnan, spreads)) else spread
    cases = {(line.cases, line.patients) for line in scored}
    if len(cases) == 1:
        n, patients = cases.pop()
        of = f" of {patients} {_plural(patients, 'patient')}" if patients != n else ""
        if are_points(scored):
            spread += f" {points.pop()[0]} points of" if len(points) == 1 else " points of"
        text = f"{spread} {n} {what}{of}"
    else:
        text = f"{spread} {what}"
    folds = {line.folds for line in scored}
    if len(folds) == 1:
        (mine,) = folds
        if len(mine) > 1:
            text += f", pooled over {len(mine)} folds"
        elif mine and mine[0]:
            text += f", fold {mine[0]} alone"
    return f"{text}; the epoch is the best by validation."


def are_points(lines: Sequence[Line]) -> bool:
    """Whether the lines are of landmarks."""
    return of_points(metrics_in(key for line in lines for key in line.metrics))


def marks(
    best: bool,
    alike: bool,
    lines: Sequence[Line],
    keys: Sequence[str],
    comparisons: Comparisons | None,
) -> list[str]:
    """What bold and the dagger mean, where they occur; that few patients cannot differ significantly."""
    if not best:
        return []
    infinite = any(line.metrics[key].infinite for line in lines if line.metrics for key in keys)
    rule = ", by the fewest infinite cases, then by the mean" if infinite else ""
    text = rf"\textbf{{Bold}}: best of its column{rule}."
    if alike and comparisons is not None:
        text += (
            r" $^{\dagger}$Not significantly different from it (Wilcoxon signed-rank test over patients, "
            f"Holm-corrected, $p \\geq {SIGNIFICANT:g}$)."
        )
        families = [_family(lines, key, comparisons) for key in keys]
        text += powerless(
            max(line.patients for line in lines), min(filter(None, families), default=1)
        )
    return [text]


def powerless(patients: int, family: int) -> str:
    """Says that so few patients cannot show a difference, with a space before it; "" where they can.

    The smallest p of a two-sided signed-rank test of n pairs is 2 / 2^n, and Holm's correction
    multiplies the smallest of a family by its size.
    """
    if not patients or family * 2.0 ** (1 - patients) < SIGNIFICANT:
        return ""
    tests = f" and {family} tests" if family > 1 else ""
    return (
        f" With {patients} {_plural(patients, 'patient')}{tests} no difference can be significant."
    )


def _family(lines: Sequence[Line], key: str, comparisons: Comparisons) -> int:
    """How many tests the correction counted where the best of `lines` was compared; 0 if nowhere."""
    best = next((line for line in lines if key in line.best), None)
    where = (best.dataset, best.stage, best.label, key) if best else ()
    found = [comparisons.between(*where, best.run, line.run) for line in lines] if best else []
    return max((entry.family for entry in found if entry is not None), default=0)


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
