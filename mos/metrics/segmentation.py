"""The scores of a segmentation: a case's table by label, its means, and a split's summary."""

from collections.abc import Mapping, Sequence

import numpy as np

from mos.metrics import overlap, surface

METRICS = ("dice", "iou", "hd", "msd")


def score_case(
    prediction: np.ndarray,
    reference: np.ndarray,
    labels: Sequence[int],
    label_count: int,
    spacing: Sequence[float],
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

    Returns:
        `raw_dice`, `raw_iou` (0..1), `raw_hd` (HD95, mm), `raw_msd` (average symmetric surface
        distance, mm), `raw_tp`, `raw_fp`, `raw_fn` (voxels): (label_count,) float64 each, column i
        is label i, nan where a label is not scored. A scored label in neither map: nan for the four
        metrics and counts of 0; missed or invented: dice and iou 0, hd and msd inf.

    Raises:
        ValueError: maps of different shape, an id outside 1..label_count-1, a bad spacing.
    """
    labels = list(labels)
    if any(not 1 <= label < label_count for label in labels):
        raise ValueError(f"labels {labels}: needs ids from 1 to {label_count - 1}")
    tp, fp, fn = overlap.overlap_counts(prediction, reference, label_count)
    distances = surface.surface_distances(prediction, reference, labels, spacing)
    dice, iou = overlap.dice(tp, fp, fn), overlap.iou(tp, fp, fn)
    names = [f"raw_{name}" for name in (*METRICS, "tp", "fp", "fn")]
    table = {name: np.full(label_count, np.nan) for name in names}
    for label in labels:
        values = (
            dice[label],
            iou[label],
            surface.hausdorff95(distances[label]),
            surface.mean_surface_distance(distances[label]),
            tp[label],
            fp[label],
            fn[label],
        )
        for name, value in zip(names, values):
            table[name][label] = value
    return table


def case_means(tables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mean of every metric over the scored labels of each case.

    Args:
        tables: `raw_dice`, `raw_iou`, `raw_hd`, `raw_msd`, (n, label_count) each.

    Returns:
        `dice`, `iou`, `hd`, `msd`: (n,) float64. nan values are left out of a mean; inf makes it
        inf; nan where a case has nothing to score.
    """
    means = {}
    for name in METRICS:
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
        `dice`, `iou`, `hd`, `msd`: mean over the cases with a finite value, nan when there is none;
        `cases`: n; `infinite`: cases left out of hd and msd because a label was missed or invented;
        `unscored`: cases left out of all four because neither map shows a scored label;
        `missed`, `invented`: (case, label) cells with the label in the reference, or in the
        prediction, only.
    """
    means = case_means(tables)
    summary: dict[str, float | int] = {}
    for name, values in means.items():
        finite = values[np.isfinite(values)]
        summary[name] = float(finite.mean()) if finite.size else float("nan")
    tp, fp, fn = (np.nan_to_num(tables[f"raw_{name}"]) for name in ("tp", "fp", "fn"))
    present, predicted = tp + fn > 0, tp + fp > 0
    return summary | {
        "cases": len(tp),
        "infinite": int(np.isinf(means["hd"]).sum()),
        "unscored": int(np.isnan(means["dice"]).sum()),
        "missed": int((present & ~predicted).sum()),
        "invented": int((predicted & ~present).sum()),
    }
