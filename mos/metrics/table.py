"""The tables of metrics: what each is called, means and needs. Files, logs and reports follow them.

A new metric is one entry here: training stores it as `<key>` and `raw_<key>`, `cmd/re_eval complete`
writes it into the epochs that were scored before, and the report gets its column. METRICS_OF says which
table is a task's; its first metric is the one that picks an epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mos.metrics import overlap, surface

NAN, INF = float("nan"), float("inf")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One label of one case, in the prediction and in the reference."""

    tp: float  # voxels
    fp: float
    fn: float
    # What follows is there for metrics that need it.
    distances: surface.SurfaceDistances | None = None
    tolerance: float = NAN  # mm, of `nsd`
    prediction: np.ndarray | None = None  # (d, h, w) bool
    reference: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a report must know of a metric."""

    key: str  # no two metrics share one, whatever their task
    title: str
    unit: str  # "" for a share or ratio
    higher_is_better: bool
    digits: int  # in tables
    definition: str

    @property
    def header(self) -> str:
        arrow = "↑" if self.higher_is_better else "↓"
        return f"{self.title} {arrow}" + (f" ({self.unit})" if self.unit else "")

    @property
    def rule(self) -> str:
        """The definition and what becomes of cells that have no value."""
        return self.definition


@dataclass(frozen=True, kw_only=True)
class StructureMetric(Metric):
    """A metric of one label of a case. A label in neither map is nan, not scored, whatever the metric.

    Where a definition divides by zero (recall of an invented structure), the value is the worst there
    is, so that no mean gets better by dropping or inventing a structure.
    """

    # `counts`: tp, fp, fn alone, which metric files keep, so it needs no network to be filled in;
    # `distances`: of the outlines, one costly pass that all of these share; `maps`: the voxels.
    needs: Literal["counts", "distances", "maps"]
    missed: float  # only in the reference
    invented: float  # only in the prediction
    compute: Callable[[Cell], float]  # of a label that is in both maps

    @property
    def rule(self) -> str:
        """The definition with the values of structures that are in one map only."""
        missed, invented = (
            "infinite" if v == INF else f"{v:g}" for v in (self.missed, self.invented)
        )
        same = f"Missed or invented: {missed}."
        other = f"Missed: {missed}; invented: {invented}."
        empty = same if missed == invented else other
        return f"{self.definition} {empty} In neither: not scored."

    def value(self, cell: Cell) -> float:
        """The value of a cell, empty ones included."""
        in_reference, in_prediction = cell.tp + cell.fn > 0, cell.tp + cell.fp > 0
        if in_reference and in_prediction:
            return float(self.compute(cell))
        return self.missed if in_reference else self.invented if in_prediction else NAN


@dataclass(frozen=True, kw_only=True)
class PointMetric(Metric):
    """A metric of one landmark of a case, from its radial error; nan where the landmark is masked."""

    within: float | None = None  # mm: the value is 1 up to here, 0 beyond; None: the error itself

    @property
    def rule(self) -> str:
        return f"{self.definition} Masked points are not scored."

    def value(self, error: np.ndarray) -> np.ndarray:
        """The values of radial errors in mm; any shape, nan stays nan."""
        error = np.asarray(error, dtype=float)
        if self.within is None:
            return error
        return np.where(np.isnan(error), NAN, (error <= self.within).astype(float))


METRICS = (
    StructureMetric(
        key="dice",
        title="Dice",
        unit="",
        higher_is_better=True,
        digits=3,
        needs="counts",
        missed=0.0,
        invented=0.0,
        compute=lambda cell: overlap.dice(cell.tp, cell.fp, cell.fn),
        definition="2TP / (2TP + FP + FN), from 0 to 1.",
    ),
    StructureMetric(
        key="iou",
        title="IoU",
        unit="",
        higher_is_better=True,
        digits=3,
        needs="counts",
        missed=0.0,
        invented=0.0,
        compute=lambda cell: overlap.iou(cell.tp, cell.fp, cell.fn),
        definition="TP / (TP + FP + FN), from 0 to 1.",
    ),
    StructureMetric(
        key="hd",
        title="HD95",
        unit="mm",
        higher_is_better=False,
        digits=2,
        needs="distances",
        missed=INF,
        invented=INF,
        compute=lambda cell: surface.hausdorff95(cell.distances),
        definition="the larger of the two directed 95th percentiles of surface distance, in mm.",
    ),
    StructureMetric(
        key="msd",
        title="MSD",
        unit="mm",
        higher_is_better=False,
        digits=2,
        needs="distances",
        missed=INF,
        invented=INF,
        compute=lambda cell: surface.mean_surface_distance(cell.distances),
        definition="average symmetric surface distance, both directions pooled, in mm.",
    ),
    StructureMetric(
        key="nsd",
        title="NSD",
        unit="",
        higher_is_better=True,
        digits=3,
        needs="distances",
        missed=0.0,
        invented=0.0,
        compute=lambda cell: surface.surface_dice(cell.distances, cell.tolerance),
        definition="normalised surface dice (Nikolov et al. 2021), from 0 to 1: the part of both outlines "
        "within a tolerance of the other; each outline voxel counts once.",
    ),
    StructureMetric(
        key="precision",
        title="Precision",
        unit="",
        higher_is_better=True,
        digits=3,
        needs="counts",
        missed=0.0,
        invented=0.0,
        compute=lambda cell: cell.tp / (cell.tp + cell.fp),
        definition="TP / (TP + FP), from 0 to 1.",
    ),
    StructureMetric(
        key="recall",
        title="Recall",
        unit="",
        higher_is_better=True,
        digits=3,
        needs="counts",
        missed=0.0,
        invented=0.0,
        compute=lambda cell: cell.tp / (cell.tp + cell.fn),
        definition="TP / (TP + FN), from 0 to 1.",
    ),
    StructureMetric(
        key="volume_error",
        title="Volume error",
        unit="",
        higher_is_better=False,
        digits=3,
        needs="counts",
        missed=1.0,
        invented=INF,
        compute=lambda cell: abs(cell.fp - cell.fn) / (cell.tp + cell.fn),
        definition="|predicted - reference| / reference, of volumes; 0.1 is ten percent too much or too "
        "little. Without a sign, so that too large and too small cases do not cancel in a mean.",
    ),
)
KEYS = tuple(metric.key for metric in METRICS)
COUNTS = ("tp", "fp", "fn")

# Radii of Wang et al. 2016 (ISBI 2015) and of the CL-Detection challenge 2023.
LANDMARK_METRICS = (
    PointMetric(
        key="mre",
        title="MRE",
        unit="mm",
        higher_is_better=False,
        digits=3,
        definition="mean radial error: the distance between predicted and reference point, in mm by the "
        "scale of the image.",
    ),
    *(
        PointMetric(
            key=f"sdr{radius:g}".replace(".", ""),
            title=f"SDR {radius:g} mm",
            unit="",
            higher_is_better=True,
            digits=3,
            within=radius,
            definition=f"success detection rate: the part of points at most {radius:g} mm from the "
            "reference, from 0 to 1.",
        )
        for radius in (2.0, 2.5, 3.0, 4.0)
    ),
)
# By the name of a task, as in run/<task>.
METRICS_OF: dict[str, tuple[Metric, ...]] = {"baseline": METRICS, "landmark": LANDMARK_METRICS}
