"""The named sets of built-in X-rays, written as dataset files when a run first asks for them."""

import csv
import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mos.built_in import ensure_built_in
from mos.data.landmark_write import PreparedLandmarks, write_landmarks
from mos.data.phantom_head import NAMES, VERSION, Head, make_head
from mos.data.points import to_stored
from mos.data.split import split_patients
from mos.engine.progress import progress
from mos.files import atomic_path, write_json, write_text
from mos.io.fit_picture import PicturePreparation, prepare_picture

TASK = "landmark"


@dataclass(frozen=True, kw_only=True)
class PhantomSet:
    """What a phantom file holds."""

    patients: tuple[str, int]  # first part of the names, how many
    size: tuple[int, int]  # h, w as stored
    frame: tuple[int, int]  # h, w of the zero-padded pictures
    coarse: float = 1.0  # see `make_head`
    fold: int | None = None  # None: everything is for training


_MAIN = PhantomSet(patients=("head", 60), size=(256, 208), frame=(336, 264))
PHANTOM_SETS: dict[str, PhantomSet] = {
    **{f"phantom-{fold}": replace(_MAIN, fold=fold) for fold in range(5)},
    "phantom-all": _MAIN,
    # Few and coarse pixels, for tests and first tries.
    "phantom-tiny": PhantomSet(
        patients=("tinyhead", 12), size=(64, 52), frame=(84, 66), coarse=4.0, fold=0
    ),
}


def ensure(name: str) -> Path | None:
    """Makes the dataset file of a phantom set if it is not there yet; see `ensure_built_in`."""
    return ensure_built_in(TASK, name, PHANTOM_SETS, _write)


def phantom_heads(name: str, count: int = 0) -> list[tuple[str, Head]]:
    """(patient, X-ray) of a set, in the order of its names; 0 = all of them."""
    chosen = PHANTOM_SETS[name]
    prefix, have = chosen.patients
    patients = [f"{prefix}{number:03d}" for number in range(1, (count or have) + 1)]

    def make(patient: str) -> Head:
        return make_head(patient, frame=chosen.frame, coarse=chosen.coarse)

    # Threads do: numpy works outside the interpreter's lock.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        heads = progress(pool.map(make, patients), total=len(patients), title=name)
        return list(zip(patients, heads))


def export_csv(name: str, folder: Path, count: int = 0) -> Path:
    """Writes X-rays of a set as PNG files and the CSV that cmd/build reads; returns the CSV.

    Args:
        count: how many, from the first; 0 = all.
    """
    from PIL import Image

    heads = phantom_heads(name, count)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = [f"p{number}{axis}" for number in range(1, len(NAMES) + 1) for axis in "xy"]
    table.writerow(["file", "scale", *columns])
    for patient, head in heads:
        with atomic_path(folder / f"{patient}.png") as temporary:
            Image.fromarray(head.picture).save(temporary)
        numbers = [f"{value:.3f}" for value in head.points.ravel()]
        table.writerow([f"{patient}.png", f"{head.scale:.6f}", *numbers])
    write_text(folder / "landmarks.csv", text.getvalue())
    return folder / "landmarks.csv"


def export_stack(name: str, folder: Path, count: int = 0) -> tuple[Path, Path]:
    """Writes X-rays of a set as the challenge releases them: one `.mha` and a JSON of points.

    Args:
        count: how many, from the first; 0 = all.

    Returns:
        `stack1.mha` (n, h, w, 3) uint8, zero-padded to a common size, and `points.json`: names 1 to 19,
        [x, y, image number from 1], the scale in mm per pixel with each point.
    """
    import SimpleITK as sitk

    heads = [head for _, head in phantom_heads(name, count)]
    pictures = np.stack([head.picture for head in heads])
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "stack1.mha") as temporary:
        stack = sitk.GetImageFromArray(np.repeat(pictures[..., None], 3, -1), isVector=True)
        sitk.WriteImage(stack, str(temporary))
    points = [
        {"name": str(name), "point": [round(float(x), 3), round(float(y), 3), number], "scale": s}
        for number, (head, s) in enumerate(zip(heads, _scales(heads)), 1)
        for name, (x, y) in enumerate(head.points, 1)
    ]
    about = {"name": "Orthodontic landmarks", "type": "Multiple points"}
    version = {"version": {"major": 1, "minor": 0}}
    write_json(folder / "points.json", about | {"points": points} | version)
    return folder / "stack1.mha", folder / "points.json"


def _scales(heads: Sequence[Head]) -> list[str]:
    return [f"{head.scale:.6f}" for head in heads]  # text, as in the challenge's own files


def _write(name: str, path: Path) -> None:
    chosen, heads = PHANTOM_SETS[name], phantom_heads(name)
    preparation = PicturePreparation(size=chosen.size, cut_padding=True)
    images, points, scales, cases = [], [], [], []
    for patient, head in heads:
        fitted = prepare_picture(head.picture[None], preparation, patient)
        factor, offset = np.array(fitted.fit.factor), np.array(fitted.fit.offset)
        images.append(fitted.image)
        points.append(to_stored(head.points, factor, offset))
        scales.append(head.scale * factor)
        cases.append(
            {
                "id": patient,
                "patient": patient,
                "source": f"phantom version {VERSION}",
                "scale": [head.scale, head.scale],
                "intensity": list(fitted.intensity),
                **fitted.fit.record(),
            }
        )
    prepared = PreparedLandmarks(
        images=np.stack(images),
        points=np.stack(points),
        scale=np.stack(scales),
        cases=cases,
        names=NAMES,
        preparation=preparation.to_json(),
    )
    write_landmarks(
        path, prepared, _deal([patient for patient, _ in heads], chosen.fold), name=name
    )


def _deal(patients: Sequence[str], fold: int | None) -> dict[str, list[int]]:
    everything = list(range(len(patients)))
    if fold is None:
        return {"train": everything, "valid": [], "test": []}
    parts = split_patients(patients, fold)
    return {
        split: [row for row in everything if patients[row] in chosen]
        for split, chosen in parts.items()
    }
