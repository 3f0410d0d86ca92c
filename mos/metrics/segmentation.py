"""The scores of a segmentation: a case's table by label, its means, and a split's summary."""

from collections.abc import Mapping, Sequence

import numpy as np

from mos.metrics import overlap, surface
from mos.metrics.table import COUNTS, KEYS, METRICS, Cell
from mos.metrics.tolerance import NSD_TOLERANCE


def score_case(
    prediction: np.ndarray,
    reference: np.ndarray,
    labels: Sequence[int],
    label_count: int,
    spacing: Sequence[float],
    nsd_tolerance: Mapping[int, float] | None = None,
) -> dict[str, np.ndarray]:
    """Scores one case, label by label.

    A label outside the list is not scored, and its voxels count as background in both maps: they
    are neither a hit nor an outline of their own.

    Args:
        prediction: (d, h, w) uint8 label ids, real slices only.
        reference: (d, h, w) uint8 label ids.
        labels: the ids to score, 1..label_count-1.
        label_count: number of labels, background included.
        spacing: mm along (d, h, w).
        nsd_tolerance: mm by label id, as `parse_tolerances` reads it; None: `NSD_TOLERANCE` for all.

    Returns:
        `raw_<key>` of every metric of `mos.metrics.table`, `raw_tp`, `raw_fp`, `raw_fn` (voxels) and
        `raw_nsd_tolerance` (mm): (label_count,) float64 each, column i is label i, nan where a label is
        not scored. A scored label in neither map: nan for the metrics and counts of 0; missed or
        invented: what the metric's entry says.

    Raises:
        ValueError: maps of different shape, an id outside 1..label_count-1, a bad spacing.
    """
    labels = list(labels)
    if any(not 1 <= label < label_count for label in labels):
        raise ValueError(f"labels {labels}: needs ids from 1 to {label_count - 1}")
    counts = overlap.overlap_counts(prediction, reference, label_count)
    distances = surface.surface_distances(prediction, reference, labels, spacing)
    wants_maps = any(metric.needs == "maps" for metric in METRICS)
    names = [f"raw_{name}" for name in (*KEYS, *COUNTS, "nsd_tolerance")]
    table = {name: np.full(label_count, np.nan) for name in names}
    for label in labels:
        tp, fp, fn = (count[label] for count in counts)
        tolerance = (nsd_tolerance or {}).get(label, NSD_TOLERANCE)
        cell = Cell(
            tp=tp,
            fp=fp,
            fn=fn,
            distances=distances[label],
            tolerance=tolerance,
            prediction=prediction == label if wants_maps else None,
            reference=reference == label if wants_maps else None,
        )
        values = (*(metric.value(cell) for metric in METRICS), tp, fp, fn, tolerance)
        for name, value in zip(names, values, strict=True):
            table[name][label] = value
    return table


def from_counts(tables: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    """A metric that needs counts alone, from those a metric file keeps.

    Args:
        tables: `raw_tp`, `raw_fp`, `raw_fn`, (n, label_count) each.
        key: of a metric whose entry says `needs="counts"`.

    Returns:
        (n, label_count) float64, the same as scoring the voxels again.
    """
    (metric,) = (metric for metric in METRICS if metric.key == key)
    if metric.needs != "counts":
        raise ValueError(f"{key} needs {metric.needs}, which metric files do not keep")
    counts = [np.asarray(tables[f"raw_{name}"], np.float64) for name in COUNTS]
    result = np.full(counts[0].shape, np.nan)
    for place in zip(*np.nonzero(~np.isnan(sum(counts)))):
        tp, fp, fn = (count[place] for count in counts)
        result[place] = metric.value(Cell(tp=tp, fp=fp, fn=fn))
    return result


def case_means(tables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mean of every metric over the scored labels of each case.

    Args:
        tables: `raw_<key>` (n, label_count) of some metrics; others that are in it are left alone.

    Returns:
        `<key>`: (n,) float64, of each metric given. nan values are left out of a mean; inf makes it
        inf; nan where a case has nothing to score.
    """
    means = {}
    for name in KEYS:
        if f"raw_{name}" not in tables:
            continue
        table = np.asarray(tables[f"raw_{name}"], np.float64)
        scored = ~np.isnan(table)
        total, count = np.where(scored, table, 0).sum(1), scored.sum(1)
        means[name] = np.divide(total, count, out=np.full(len(table), np.nan), where=count > 0)
    return means


def split_summary(tables: Mapping[str, np.ndarray]) -> dict[str, float | int]:
    """What a split scored, with what its means leave out.

    Args:
        tables: the `raw_*` tables of `score_case` stacked over cases, (n, label_count) each.

    Returns:
        `<key>` of every metric given: mean over the cases with a finite value, nan when there is none;
        `cases`: n; `infinite`: cases left out of hd and msd because a label was missed or invented;
        `unscored`: cases left out of all because neither map shows a scored label;
        `missed`, `invented`: (case, label) cells with the label in the reference, or in the
        prediction, only.
    """
    means = case_means(tables)
    summary: dict[str, float | int] = {}
    for name, values in means.items():
        finite = values[np.isfinite(values)]
        summary[name] = float(finite.mean()) if finite.size else float("nan")
    tp, fp, fn = (np.nan_to_num(tables[f"raw_{name}"]) for name in COUNTS)
    present, predicted = tp + fn > 0, tp + fp > 0
    one_sided = present ^ predicted
    return summary | {
        "cases": len(tp),
        "infinite": int(one_sided.any(1).sum()),
        "unscored": int(np.isnan(means["dice"]).sum()),
        "missed": int((present & ~predicted).sum()),
        "invented": int((predicted & ~present).sum()),
    }
