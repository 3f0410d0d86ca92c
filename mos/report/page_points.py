"""The images of landmark cases as the page's viewer gets them.

A version is {shape [h, w], scale [x, y] mm per pixel, names, reference [[x, y] or null], image (a data URI
of a grey PNG), runs: run -> {prediction [[x, y] or null], error [mm or null], epoch}}; points are pixels,
whose centres are whole numbers, and masked ones are null.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mos.errors import BadInput
from mos.report.png_uri import Add, Version, png_uri
from mos.report.point_images import PointImages, load_point_images
from mos.report.run_record import Run

if TYPE_CHECKING:
    import pandas as pd

_TOLERANCE = 1e-3  # mm


def point_adder(tested: pd.DataFrame) -> Add:
    """Adds images of landmarks; `tested` are the rows of a dataset's tests."""
    error = tested.set_index(["run", "fold", "case", "label"])["mre"]
    error = {key: float(value) for key, value in error.items()}

    def add(versions: list[Version], run: Run, path: Path) -> None:
        images = load_point_images(path)
        if text := _other_scores(images, run, error):
            raise BadInput(text)
        _add(versions, images, run)

    return add


def _other_scores(images: PointImages, run: Run, error: dict) -> str:
    """Why points are not those that were scored; "" if they are: epoch and errors must agree."""
    again = ".scripts/landmark/cmd/plot-test makes them again"
    if images.epoch != run.epoch:
        return f"they are of epoch {images.epoch}, shown is epoch {run.epoch}; {again}"
    for number, mm in enumerate(images.error.tolist(), start=1):
        stored = error.get((run.name, run.fold, images.case, number), math.nan)
        if not math.isclose(stored, mm, abs_tol=_TOLERANCE) and not (
            math.isnan(stored) and math.isnan(mm)
        ):
            return f"point {number} errs by {mm:.3f} mm in them and by {stored:.3f} in the metric file; {again}"
    return ""


def _add(versions: list[Version], images: PointImages, run: Run) -> None:
    """Puts points beside those of other runs on the same image, or begins a new version."""
    masked = np.isnan(images.error)
    version = {
        "shape": list(images.image.shape[1:]),
        "scale": [round(mm, 6) for mm in images.scale],
        "names": list(images.names),
        "reference": _points(images.reference, masked),
        "image": png_uri(images.image[:1], 1),
    }
    found = {
        "prediction": _points(images.prediction, masked),
        "error": [round(mm, 3) if math.isfinite(mm) else None for mm in images.error.tolist()],
        "epoch": images.epoch,
    }
    for known in versions:
        if all(known[key] == value for key, value in version.items()):
            known["runs"][run.name] = found
            return
    versions.append(version | {"runs": {run.name: found}})


def _points(points: np.ndarray, masked: np.ndarray) -> list[list[float] | None]:
    known = np.isfinite(points).all(axis=1) & ~masked
    return [
        [round(x, 2), round(y, 2)] if shown else None
        for (x, y), shown in zip(points.tolist(), known.tolist())
    ]
