"""Predictions of test cases, made by the path that is scored and stored beside the epoch they are of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mos.data.bundle import Bundle, Case
from mos.engine import checkpoint
from mos.engine.device import Machine
from mos.engine.progress import progress
from mos.engine.record import file_hash
from mos.errors import BadInput
from mos.files import sweep_temporaries
from mos.folders import WEIGHTS, epoch_number, metric_file
from mos.report.case_images import FOLDER, CaseImages, case_file, read_record, write_case_images
from run.baseline.dataset import inside, spacings_of, volume_dataset
from run.baseline.infer import labels_of
from run.baseline.stored import (
    StoredRun,
    load_network,
    machine_for,
    open_dataset,
    open_stored,
    scoring_task,
    stored_epoch,
)

COUNTS = ("raw_tp", "raw_fp", "raw_fn")


@dataclass(kw_only=True)
class Stored:
    """The images of a run's epoch, all of them made by its weights."""

    run: Path
    epoch: Path
    paths: dict[str, Path]  # by case, in the order of the dataset
    made: int = 0
    # Cases whose prediction is not quite the scored one (another device or precision): voxels counted
    # differently.
    differing: dict[str, int] = field(default_factory=dict)
    unscored: bool = False  # there are no stored scores to hold the predictions against


def store_images(
    run: Path, options: Any, cases: Collection[str] | None = None, quiet: bool = False
) -> Stored:
    """Predicts test cases of a run, as far as that is not done, and stores them.

    What is there is kept when the same weights made it on the same dataset. Every new prediction is held
    against the voxel counts of the epoch's stored scores.

    Args:
        options: with `epoch`, `device`, `precision` and `threads`.
        cases: ids; None: all of the test set.

    Raises:
        BadInput: no weights, no test cases, an unknown case, or a dataset file that has changed.
    """
    stored = open_stored(run)
    epoch = stored_epoch(run, options.epoch)
    if stored.options.dataset_train_all:
        raise BadInput(
            f"{run}: was trained on all cases of its dataset (--dataset_train_all), so no test case is left "
            "to show; name another run"
        )
    bundle = open_dataset(stored)
    listed = bundle.cases["test3d"]
    if not listed:
        raise BadInput(f"{bundle.path}: has no test cases, so {run} has none to show")
    unknown = set(cases or ()) - {case.id for case in listed}
    if unknown:
        raise BadInput(
            f"case {sorted(unknown)[0]!r}: is no test case of {run}; those are "
            f"{_some([case.id for case in listed])}"
        )
    rows = [row for row, case in enumerate(listed) if cases is None or case.id in cases]
    origin = _origin(stored, epoch)
    sweep_temporaries(epoch / FOLDER)
    result = Stored(
        run=run, epoch=epoch, paths={listed[r].id: case_file(epoch, listed[r].id) for r in rows}
    )
    todo = [row for row in rows if not _is_of(result.paths[listed[row].id], origin)]
    if todo:
        _predict(stored, bundle, todo, origin, options, result, quiet)
    return result


def _predict(
    stored: StoredRun,
    bundle: Bundle,
    rows: Sequence[int],
    origin: Mapping[str, Any],
    options: Any,
    result: Stored,
    quiet: bool,
) -> None:
    machine = machine_for(options, stored.options, stored.record)
    asked = stored.options.dataset_spacing
    data = volume_dataset(
        bundle, "test3d", asked_spacing=asked, device=machine.device, voxels=torch.device("cpu")
    )
    task = scoring_task(stored, load_network(stored, result.epoch, machine), {"test": data})
    spacings = spacings_of(bundle, "test3d", asked)
    axes = bundle.axes.get("test3d")
    counts = _scored_counts(result.epoch)
    result.unscored = counts is None
    title = f"{stored.folder.parent.name}/{stored.folder.name}"
    for row in progress(rows, total=len(rows), title=f"predict {title}", quiet=quiet):
        case: Case = bundle.cases["test3d"][row]
        batch = data.batch([row], [0])
        with torch.no_grad(), machine.autocast():
            chances = task.predict(task.network, batch)
        window = inside(case.box)
        prediction = labels_of(chances[:, :, *window])[0].cpu().numpy()
        block = bundle.tensors["test3d"][row].numpy()
        images = CaseImages(
            case=case.id,
            patient=case.patient,
            image=np.ascontiguousarray(block[(slice(-1), *window)]),
            reference=np.ascontiguousarray(block[-1][window]),
            prediction=prediction,
            spacing=spacings[row],
            positions=_positions(case, spacings[row], None if axes is None else axes[row]),
            first_slice=case.box[0][0],
            about=_about(machine),
            **origin,
        )
        write_case_images(result.epoch, images)
        result.made += 1
        if counts is not None and (off := _differing(images, counts.get(case.id))):
            result.differing[case.id] = off


def _origin(stored: StoredRun, epoch: Path) -> dict[str, Any]:
    """What the images of an epoch have in common, and are recognised by."""
    record = stored.record
    return {
        "labels": dict(stored.labels.names),
        "scored": tuple(stored.labels.evaluate),
        "run": stored.folder.resolve().name,
        "setting": stored.folder.resolve().parent.name.removeprefix(f"{record.get('task')}-"),
        "epoch": epoch_number(epoch),
        "weights_sha256": file_hash(epoch / WEIGHTS),
        "dataset_sha256": (record.get("dataset") or {}).get("sha256") or "",
        "orientation": (record.get("preparation") or {}).get("orientation", ""),
    }


def _is_of(path: Path, origin: Mapping[str, Any]) -> bool:
    """Whether a case's file is whole and was made from these weights and this dataset."""
    try:
        record = read_record(path)
    except BadInput:
        return False
    wanted = {**origin, "labels": {str(k): v for k, v in origin["labels"].items()}}
    wanted["scored"] = list(origin["scored"])
    return all(record.get(name) == value for name, value in wanted.items())


def _positions(case: Case, spacing: Sequence[float], axis: np.ndarray | None) -> np.ndarray:
    """mm of every real slice; counted from the first stored slice where the file has no positions."""
    start, stop = case.box[0]
    return np.arange(start, stop) * spacing[0] if axis is None else axis[start:stop].astype(float)


def _about(machine: Machine) -> dict[str, str]:
    return {"device": machine.device.type, "precision": machine.precision}


def _scored_counts(epoch: Path) -> dict[str, np.ndarray] | None:
    """(3, label_count) true positive, false positive and missed voxels by case; None without a file."""
    path = metric_file(epoch, "test")
    if not path.exists():
        return None
    table = checkpoint.load_table(path)
    if any(key not in table for key in COUNTS):
        return None
    counts = np.stack([np.asarray(table[key], dtype=float) for key in COUNTS], axis=1)
    return dict(zip(table["case"], counts, strict=True))


def _differing(images: CaseImages, counts: np.ndarray | None) -> int:
    """Voxels by which the prediction's counts differ from the scored ones, over the scored labels."""
    if counts is None:
        return 0
    total = 0.0
    for label in images.scored:
        true, found = images.reference == label, images.prediction == label
        own = np.array([(true & found).sum(), (~true & found).sum(), (true & ~found).sum()])
        if not np.isnan(counts[:, label]).any():
            total += np.abs(own - counts[:, label]).sum()
    return int(total)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > 6 else shown
