"""The named sets of the built-in phantom, written as dataset files when a run first asks for them."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from mos.built_in import ensure_built_in
from mos.data.phantom import LABELS, VERSION, WORLDS, Volume, make_volume, patient_phases
from mos.data.write import PreparedSet, deal_rows, write_bundle
from mos.engine.progress import progress
from mos.io.prepare import Preparation
from run.baseline.model_arguments import TASK
from run.baseline.phantom_sets import PHANTOM_SETS


def ensure(name: str) -> Path | None:
    """Makes the dataset file of a phantom set if it is not there yet; see `ensure_built_in`."""
    return ensure_built_in(TASK, name, PHANTOM_SETS, _write)


def phantom_cases(name: str) -> list[tuple[str, str]]:
    """(patient, volume) of every case of a set, in the order of its file."""
    prefix, count = PHANTOM_SETS[name].patients
    patients = (f"{prefix}{number:03d}" for number in range(1, count + 1))
    return [(patient, phase) for patient in patients for phase in patient_phases(patient)]


def phantom_volume(name: str, patient: str, phase: str) -> Volume:
    """A case of a set with all four true labels, whatever the set's file shows of them.

    What `phantom-pseudo` keeps to itself: case `unlabelled001_ed` is patient `unlabelled001`, phase `ed`.
    """
    chosen = PHANTOM_SETS[name]
    return make_volume(
        patient, phase, world=chosen.world, shape=chosen.shape, spacing=chosen.spacing
    )


def annotated_segment(name: str, volume: Volume) -> np.ndarray:
    """The labels (d, h, w) uint8 that the set annotates; the others are background."""
    return volume.segment * np.isin(volume.segment, PHANTOM_SETS[name].annotated)


def export_nifti(name: str, folder: Path, *, patients: int = 0) -> list[str]:
    """Writes cases of a set as `images/<case>.nii.gz` and, where annotated, `labels/<case>.nii.gz`.

    The images hold what the scanner stored (int16); prepared by the builder they give the voxels of the
    dataset file.

    Args:
        patients: how many patients, from the first; 0 = all.

    Returns:
        The case ids.
    """
    import nibabel

    for part in ("images", "labels") if PHANTOM_SETS[name].annotated else ("images",):
        (folder / part).mkdir(parents=True, exist_ok=True)
    cases = phantom_cases(name)
    kept = list(dict.fromkeys(patient for patient, _ in cases))[: patients or None]
    written = []
    for patient, phase in (case for case in cases if case[0] in kept):
        volume = phantom_volume(name, patient, phase)
        # NIfTI counts x, y towards right and front, we towards left and back.
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ _affine(volume)
        arrays = {"images": volume.signal}
        if PHANTOM_SETS[name].annotated:
            arrays["labels"] = annotated_segment(name, volume)
        for part, array in arrays.items():
            image = nibabel.Nifti1Image(np.ascontiguousarray(array.transpose(2, 1, 0)), affine)
            image.header.set_xyzt_units("mm")
            nibabel.save(image, folder / part / f"{patient}_{phase}.nii.gz")
        written.append(f"{patient}_{phase}")
    return written


def _write(name: str, path: Path) -> None:
    chosen, cases = PHANTOM_SETS[name], phantom_cases(name)
    world = WORLDS[chosen.world]
    shape, spacing = chosen.shape or world.shape, chosen.spacing or world.spacing
    volumes = np.zeros((len(cases), 2, *shape), np.uint8)
    axes = np.zeros((len(cases), shape[0]), np.float32)
    records: list[dict[str, Any]] = [{}] * len(cases)
    for row, volume in progress(_make(name, cases), total=len(cases), title=name):
        volumes[row] = volume.image, annotated_segment(name, volume)
        axes[row] = volume.axis
        records[row] = _record(*cases[row], volume, bool(chosen.annotated))
    prepared = PreparedSet(
        task=TASK,
        kind=chosen.kind,
        volumes=volumes,
        axes=axes,
        cases=records,
        labels={label: LABELS[label] for label in (0, *chosen.annotated)},
        preparation=Preparation(spacing=spacing, size=shape).to_json(),
    )
    parts = deal_rows(chosen.kind, [patient for patient, _ in cases], chosen.fold)
    write_bundle(path, prepared, parts, name=name)


def _make(name: str, cases: list[tuple[str, str]]) -> Iterator[tuple[int, Volume]]:
    """(row, volume) as they get ready. Threads do: numpy works outside the interpreter's lock."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        futures = {pool.submit(phantom_volume, name, *case): row for row, case in enumerate(cases)}
        for future in as_completed(list(futures)):
            yield futures.pop(future), future.result()


def _affine(volume: Volume) -> np.ndarray:
    """Voxel (x, y, z) to mm in LPS: the middle of the picture at x = y = 0, the first slice at z = 0."""
    d, h, w = volume.image.shape
    step_z, step_y, step_x = volume.spacing
    affine = np.diag([step_x, step_y, step_z, 1.0])
    affine[:2, 3] = -(w - 1) / 2 * step_x, -(h - 1) / 2 * step_y
    return affine


def _record(patient: str, phase: str, volume: Volume, labelled: bool) -> dict[str, Any]:
    source = [f"phantom version {VERSION}"]
    return {
        "id": f"{patient}_{phase}",
        "patient": patient,
        "source": source,
        "label_source": source if labelled else [],
        "original_shape": list(volume.image.shape),
        "original_spacing": list(volume.spacing),
        "affine": _affine(volume).tolist(),
        "orientation": "LPS",
        "spacing": list(volume.spacing),
        "box": [[0, n] for n in volume.image.shape],
        "origin": [0, 0, 0],
        "intensity": [list(volume.intensity)],
        "labels_cut": 0,
        "group": volume.group,
        "phantom_version": VERSION,
    }
