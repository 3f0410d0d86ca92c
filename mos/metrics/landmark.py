"""How far predicted landmarks lie from the reference: radial errors in mm, and the shares within radii.

The names, radii and definitions are in `mos.metrics.table.LANDMARK_METRICS` (Wang et al. 2016; the
CL-Detection challenge 2023).
"""

from collections.abc import Mapping

import numpy as np

from mos.metrics.table import LANDMARK_METRICS


def radial_errors(
    predicted: np.ndarray, reference: np.ndarray, visible: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """The distance of each predicted point from its reference.

    Args:
        predicted, reference: (n, point_count, [xy]) in pixels.
        visible: (n, point_count) bool; a masked point has no error.
        scale: (n, [xy]) mm per pixel along x and y of each case.

    Returns:
        (n, point_count) float64 mm, nan where a point is masked; inf where a prediction is not finite.

    Raises:
        ValueError: shapes that do not fit, a scale that is no positive number, a visible point without
            a reference.
    """
    n, count = visible.shape
    if predicted.shape != (n, count, 2) or reference.shape != (n, count, 2):
        raise ValueError(
            f"points are {predicted.shape} and {reference.shape}, need ({n}, {count}, 2)"
        )
    if scale.shape != (n, 2) or not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError(f"scale needs ({n}, 2) positive mm per pixel, is {scale.shape}")
    visible = visible.astype(bool)
    if not np.isfinite(reference[visible]).all():
        raise ValueError("a visible point has no reference")
    away = (predicted.astype(np.float64) - reference) * scale[:, None, :]
    error = np.hypot(away[..., 0], away[..., 1])
    error[~np.isfinite(error)] = np.inf
    error[~visible] = np.nan
    return error


def score_points(
    predicted: np.ndarray, reference: np.ndarray, visible: np.ndarray, scale: np.ndarray
) -> dict[str, np.ndarray]:
    """Every metric of every point; see `radial_errors` for what goes in and may be raised.

    Returns:
        `raw_<key>` (n, point_count) float64 for each of LANDMARK_METRICS, nan where a point is masked.
    """
    error = radial_errors(predicted, reference, visible, scale)
    return {"raw_mre": error, **fill_in({"raw_mre": error})}


def fill_in(raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The metrics that a table lacks, `raw_<key>` (n, point_count), from the radial errors it has."""
    error = np.asarray(raw["raw_mre"], dtype=np.float64)
    return {
        f"raw_{metric.key}": metric.value(error)
        for metric in LANDMARK_METRICS
        if f"raw_{metric.key}" not in raw
    }


def case_means(raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`<key>` (n,): the mean over the visible points of each case, nan where it has none."""
    return {
        metric.key: _row_means(np.asarray(raw[f"raw_{metric.key}"])) for metric in LANDMARK_METRICS
    }


def split_summary(raw: Mapping[str, np.ndarray]) -> dict[str, float | int]:
    """Over all visible points of all cases, each counting once.

    Returns:
        `mre_points` mean, `mre_sd` standard deviation (n - 1) and `mre_median` of the radial error in mm;
        nan where there are too few points for it. `points`: how many there are.
    """
    error = np.asarray(raw["raw_mre"], dtype=np.float64)
    error = error[~np.isnan(error)]
    return {
        "mre_points": float(error.mean()) if len(error) else float("nan"),
        "mre_sd": float(error.std(ddof=1)) if len(error) > 1 else float("nan"),
        "mre_median": float(np.median(error)) if len(error) else float("nan"),
        "points": int(len(error)),
    }


def _row_means(values: np.ndarray) -> np.ndarray:
    valued = ~np.isnan(values)
    counts = valued.sum(1)
    sums = np.where(valued, values, 0.0).sum(1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
