"""What trainings cost, as columns of a LaTeX table beside the scores."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.report.cost import CostLine
from mos.report.latex_text import aligned, escape, number


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How a field of `CostLine` is printed."""

    heading: str  # LaTeX
    factor: float
    digits: int
    measured: bool = True  # on a machine, and so of it


COLUMNS = {
    "parameters": Shown(heading="Param. (M)", factor=1e-6, digits=2, measured=False),
    "samples_per_second": Shown(heading="Samples/s", factor=1.0, digits=1),
    "epoch_seconds": Shown(heading="Epoch (s)", factor=1.0, digits=0),
    "total_hours": Shown(heading="Total (h)", factor=1.0, digits=2),
    "peak_memory": Shown(heading="Memory (GiB)", factor=1 / 1024, digits=2),
    "case_seconds": Shown(heading="Case (s)", factor=1.0, digits=2),
}


def cells(costs: Sequence[CostLine], key: str) -> list[str]:
    """One cell per run: a column of the field `key`."""
    shown = COLUMNS[key]
    return aligned([number(getattr(one, key) * shown.factor, shown.digits) for one in costs])


def note(costs: Sequence[CostLine], keys: Sequence[str]) -> str:
    """Where times and memory were measured; "" for columns that every machine would share."""
    if not any(COLUMNS[key].measured for key in keys):
        return ""
    machines = sorted({machine for one in costs for machine in one.machines})
    if len(machines) == 1:
        return f"Times and memory: {escape(machines[0])}."
    if not machines:
        return ""
    several = escape("; ".join(machines))
    return f"Times and memory were measured on several machines and do not compare: {several}."
