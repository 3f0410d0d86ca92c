"""The sentences below a LaTeX table: what its numbers are of, and what its marks mean."""

from collections.abc import Sequence

from mos.report.compare import SIGNIFICANT
from mos.report.latex_style import Style
from mos.report.table import Line

# Two-sided Wilcoxon signed-rank: with n pairs no p is below 2 / 2^n, and 2 / 2^5 is above 5 %.
FEWEST_PATIENTS = 6


def basis(lines: Sequence[Line], style: Style, what: str) -> str:
    """What means and spreads are over: `Mean ± sd over 42 test cases; best epoch by validation.`

    `what` says which cases, such as "test cases".
    """
    scored = [line for line in lines if line.metrics]
    spread = {
        "sd": r"Mean\,$\pm$\,standard deviation over",
        "interval": "Mean and 95\\,\\% interval (bootstrap over patients), over",
        "none": "Mean over",
    }[style.spread]
    cases = {(line.cases, line.patients) for line in scored}
    if len(cases) == 1:
        n, patients = cases.pop()
        of = f" of {patients} {_plural(patients, 'patient')}" if patients != n else ""
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


def marks(best: bool, alike: bool, lines: Sequence[Line], keys: Sequence[str]) -> list[str]:
    """What bold and the dagger mean, where they occur; that few patients cannot differ significantly."""
    if not best:
        return []
    infinite = any(line.metrics[key].infinite for line in lines if line.metrics for key in keys)
    rule = ", by the fewest infinite cases, then by the mean" if infinite else ""
    text = rf"\textbf{{Bold}}: best of its column{rule}."
    if alike:
        text += (
            r" $^{\dagger}$Not significantly different from it (Wilcoxon signed-rank test over patients, "
            f"Holm-corrected, $p \\geq {SIGNIFICANT:g}$)."
        )
        patients = max(line.patients for line in lines)
        if patients < FEWEST_PATIENTS:
            text += (
                f" With {patients} {_plural(patients, 'patient')} no difference can be significant."
            )
    return [text]


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
