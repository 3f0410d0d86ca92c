"""The images of one tested case as figures and the page need them: image, reference, prediction.

`cmd/plot-test` predicts with the code path that is scored and leaves one file a case,
`<run>/epoch-NNNN/test-images/<case>.npz`; whatever is drawn is drawn from these files. Padding is cut
off, as it is when scoring.
"""

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mos.errors import BadInput
from mos.files import atomic_path

FORMAT = 1
FOLDER = "test-images"
_ARRAYS = ("image", "reference", "prediction", "positions")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_+=-][A-Za-z0-9._+=-]{0,119}")


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseImages:
    """One case of the test set with its prediction.

    All arrays cover the real voxels only (d, h, w); row h grows downwards and column w to the right, so
    for datasets in LPS a slice shows as radiologists look at it: front on top, the patient's left on
    the right.
    """

    case: str
    patient: str
    image: np.ndarray  # (ch, d, h, w) uint8
    reference: np.ndarray  # (d, h, w) uint8 label ids
    prediction: np.ndarray  # (d, h, w) uint8 label ids
    spacing: tuple[float, float, float]  # (d, h, w) in mm
    positions: np.ndarray  # (d,) float64, mm along the slice normal
    first_slice: int  # where slice 0 lies in the stored volume, padding included
    labels: Mapping[int, str]  # names of all label ids, background included
    scored: tuple[int, ...]  # the ids that count in the scores
    run: str  # unet-2d-none
    setting: str  # hippocampus-0
    epoch: int
    weights_sha256: str  # of the weights that predicted
    dataset_sha256: str  # content hash of the dataset file
    orientation: str = ""  # letters that (w, h, d) grow towards, such as LPS; "" where unknown
    about: Mapping[str, str] = field(default_factory=dict)  # device, precision, for information

    def errors(self, labels: Sequence[int] | None = None) -> np.ndarray:
        """The error map of the scored labels, or of those given: see `error_map`."""
        wanted = self.scored if labels is None else labels
        return error_map(self.reference, self.prediction, wanted)


def error_map(reference: np.ndarray, prediction: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """What became of every voxel; ids that are not in `labels` count as background.

    Args:
        reference, prediction: label ids, of one shape.

    Returns:
        uint8 of that shape: 0 background in both, 1 correct, 2 extra (only predicted), 3 missed (only
        in the reference), 4 confused (both, but different labels).
    """
    known = np.zeros(256, dtype=bool)
    known[[label for label in labels if label]] = True
    true = np.where(known[reference], reference, 0)
    found = np.where(known[prediction], prediction, 0)
    cases = [(true == 0) & (found == 0), true == found, true == 0, found == 0]
    return np.select(cases, [0, 1, 2, 3], default=4).astype(np.uint8)


def case_file(epoch: Path, case: str) -> Path:
    """Where the images of a case lie below an epoch's folder, whether they are there or not.

    Ids that are no plain file name keep their readable letters and get a hash behind them.
    """
    name = case
    if not _SAFE_NAME.fullmatch(case):
        letters = re.sub(r"[^A-Za-z0-9_+=-]+", "_", case)[:80]
        name = f"{letters}-{hashlib.sha256(case.encode()).hexdigest()[:10]}"
    return epoch / FOLDER / f"{name}.npz"


def write_case_images(epoch: Path, images: CaseImages) -> Path:
    """Writes the file of a case atomically and returns its path; the same images give the same bytes.

    Raises:
        ValueError: arrays that do not belong together.
        BadInput: the disk is full or the folder cannot be written to.
    """
    _check(images)
    arrays = {name: getattr(images, name) for name in _ARRAYS}
    others = {
        name: getattr(images, name) for name in images.__dataclass_fields__ if name not in arrays
    }
    others["labels"] = {str(label): name for label, name in images.labels.items()}
    others["about"] = dict(images.about)
    text = json.dumps({"format": FORMAT} | others, ensure_ascii=False)
    path = case_file(epoch, images.case)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, record=np.array(text), **arrays)
    return path


def load_case_images(path: Path) -> CaseImages:
    """Reads the file of a case.

    Raises:
        BadInput: missing, half written, foreign, or written by a newer MOS.
    """
    record, arrays = _read(path, _ARRAYS)
    try:
        images = CaseImages(**_fields(record), **arrays)
        _check(images)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _broken(path, str(error)) from error
    return images


def read_record(path: Path) -> dict:
    """What a file says of itself without its voxels: the fields of CaseImages that are no arrays.

    Raises:
        BadInput: as `load_case_images`.
    """
    return _read(path, ())[0]


def _read(path: Path, names: Sequence[str]) -> tuple[dict, dict[str, np.ndarray]]:
    if not path.is_file():
        raise BadInput(
            f"{path}: no such file; .scripts/baseline/cmd/plot-test --run <run> makes the images of a run"
        )
    try:
        with np.load(path, allow_pickle=False) as content:
            record = json.loads(str(content["record"]))
            arrays = {name: content[name] for name in names}
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise _broken(path, str(error)) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise _broken(path, f"it is not of format {FORMAT}")
    return record, arrays


def _fields(record: Mapping) -> dict:
    values = {name: value for name, value in record.items() if name != "format"}
    values["labels"] = {int(label): str(name) for label, name in record["labels"].items()}
    values["scored"] = tuple(int(label) for label in record["scored"])
    values["spacing"] = tuple(float(mm) for mm in record["spacing"])
    return values


def _broken(path: Path, reason: str) -> BadInput:
    return BadInput(
        f"{path}: not readable as the images of a case ({reason.splitlines()[0][:200] if reason else '?'}); "
        "delete it, and .scripts/baseline/cmd/plot-test makes it again"
    )


def _check(images: CaseImages) -> None:
    shape = images.image.shape[1:]
    if images.image.ndim != 4 or not images.reference.shape == images.prediction.shape == shape:
        raise ValueError(
            f"image {images.image.shape}, reference {images.reference.shape} and prediction "
            f"{images.prediction.shape} need (ch, d, h, w), (d, h, w) and (d, h, w)"
        )
    for name in ("image", "reference", "prediction"):
        if getattr(images, name).dtype != np.uint8:
            raise ValueError(f"{name} is {getattr(images, name).dtype}, needs uint8")
    if images.positions.shape != shape[:1] or not np.isfinite(images.positions).all():
        raise ValueError(f"positions {images.positions.shape} need ({shape[0]},) finite mm")
    if len(images.spacing) != 3 or not all(0 < mm < np.inf for mm in images.spacing):
        raise ValueError(f"spacing {images.spacing} needs three positive mm (d, h, w)")
