"""The image of one tested case with its landmarks, as figures and the page need them.

`cmd/plot-test` leaves one file a case, `<run>/epoch-NNNN/test-images/<case>.npz`: the stored image without
what fills it up, the reference, and the points that were predicted when the epoch was scored.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from mos.errors import BadInput
from mos.files import atomic_path
from mos.report.case_images import FOLDER as FOLDER, case_file

FORMAT = "points 1"
_ARRAYS = ("image", "reference", "prediction", "error")


@dataclass(frozen=True, kw_only=True, eq=False)
class PointImages:
    """One case of the test set with its landmarks, in pixels of `image`; pixel centres are whole numbers."""

    case: str
    patient: str
    image: np.ndarray  # (ch, h, w) uint8
    reference: np.ndarray  # (point_count, [xy]) float32, nan where unknown
    prediction: np.ndarray  # (point_count, [xy]) float32
    error: np.ndarray  # (point_count,) mm as they were scored, nan where a point is masked
    scale: tuple[float, float]  # mm per pixel along x and y
    names: tuple[str, ...]  # of the points
    run: str  # unet-512
    setting: str  # phantom-0
    epoch: int

    @property
    def scored(self) -> np.ndarray:
        """Numbers of the points that are not masked, from 0."""
        return np.flatnonzero(~np.isnan(self.error))


def write_point_images(epoch: Path, images: PointImages) -> Path:
    """Writes the file of a case atomically and returns its path.

    Raises:
        ValueError: arrays that do not belong together.
        BadInput: the disk is full or the folder cannot be written to.
    """
    _check(images)
    arrays = {name: getattr(images, name) for name in _ARRAYS}
    others = {f.name: getattr(images, f.name) for f in fields(images) if f.name not in arrays}
    text = json.dumps({"format": FORMAT} | others, ensure_ascii=False)
    path = case_file(epoch, images.case)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, record=np.array(text), **arrays)
    return path


def load_point_images(path: Path) -> PointImages:
    """Reads the file of a case.

    Raises:
        BadInput: missing, half written, foreign, or written by a newer MOS.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            record = json.loads(str(content["record"]))
            arrays = {name: content[name] for name in _ARRAYS}
        if not isinstance(record, Mapping) or record.pop("format", None) != FORMAT:
            raise ValueError(f"it is not of format {FORMAT!r}")
        for name in ("scale", "names"):
            record[name] = tuple(record[name])
        images = PointImages(**record, **arrays)
        _check(images)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise _broken(path, error) from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _broken(path, error) from error
    return images


def _broken(path: Path, error: Exception) -> BadInput:
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    return BadInput(
        f"{path}: not readable as the landmarks of a case ({reason}); delete it, and "
        ".scripts/landmark/cmd/plot-test makes it again"
    )


def _check(images: PointImages) -> None:
    count = len(images.names)
    shapes = {"reference": (count, 2), "prediction": (count, 2), "error": (count,)}
    for name, shape in shapes.items():
        if getattr(images, name).shape != shape:
            raise ValueError(f"{name} is {getattr(images, name).shape}, needs {shape}")
    if images.image.ndim != 3 or images.image.dtype != np.uint8:
        raise ValueError(
            f"image is {images.image.shape} {images.image.dtype}, needs (ch, h, w) uint8"
        )
    if len(images.scale) != 2 or not all(0 < mm < np.inf for mm in images.scale):
        raise ValueError(f"scale {images.scale} needs two positive mm per pixel (x, y)")
