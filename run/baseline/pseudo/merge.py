"""Step `merge`: corrected cases become an auxiliary dataset file that knows where each voxel came from."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mos.data.bundle import open_bundle
from mos.data.provenance import CORRECTED, ORIGINAL, PREDICTED
from mos.data.write import PreparedSet, write_bundle
from mos.engine.progress import progress
from mos.engine.record import now
from mos.errors import BadInput
from mos.folders import dataset_path
from mos.io.prepare import Preparation, prepare, stored_size, working_grid
from mos.io.read import read_grid, read_image, read_label
from run.baseline.dataset import inside
from run.baseline.model_arguments import TASK
from run.baseline.phantom import PHANTOM_SETS
from run.baseline.pseudo.labels import read_ids
from run.baseline.pseudo.source import DatasetSource, open_dataset_source
from run.baseline.pseudo.state import Work


def merge(options: Any, work: Work) -> Path:
    """Writes `baseline-<name>.pt`, of kind aux, and enters it into the state.

    Corrected cases go in, with `--include_predicted` predicted ones too. An original label stays.

    Returns:
        The file.

    Raises:
        BadInput: no case to put in; the name belongs to another dataset.
    """
    corrected = work.having("corrected")
    cases = list(corrected)
    if options.include_predicted:
        cases = [case for case in work.cases if work.cases[case].get("round")]
    if not cases:
        raise BadInput(
            "--step merge: no case is corrected yet; hand out and take back some, or put in predictions as "
            "they are with --include_predicted"
        )
    name = options.output_dataset or f"{work.state['name']}-corrected"
    path = dataset_path(TASK, name)
    _refuse_other(path, name, work)
    about = work.state["source"]
    if about["kind"] == "dataset":
        source = open_dataset_source(
            about["name"], about["key"], about.get("spacing"), about["sha256"]
        )
        rows = [_from_dataset(work, source, case) for case in cases]
        preparation = source.bundle.manifest.get("preparation", {})
    else:
        plain = _common_size(work, Preparation.from_json(about["preparation"]), cases)
        rows = [
            _from_images(work, plain, case)
            for case in progress(cases, total=len(cases), title="merge")
        ]
        preparation = about["preparation"]
    volumes, axes, provenance, records = zip(*rows, strict=True)
    prepared = PreparedSet(
        task=TASK,
        kind="aux",
        volumes=np.stack(volumes),
        axes=np.stack(axes),
        cases=[record | _mark(work, case) for record, case in zip(records, cases)],
        labels={int(label): text for label, text in work.state["labels"].items()},
        preparation=preparation,
        provenance=np.stack(provenance),
        about={"pseudo": _about(work, np.stack(provenance), cases)},
    )
    parts = {"train3d": list(range(len(cases)))}
    command = [".scripts/baseline/cmd/pseudo-gen", *sys.argv[1:]]
    write_bundle(path, prepared, parts, name=name, command=command)
    open_bundle(path, "aux")  # what was written keeps every promise of a dataset file
    entry = {"dataset": name, "round": work.round, "time": now(), "cases": len(cases)}
    work.state["merges"].append(entry | {"corrected": sorted(corrected)})
    work.save()
    voxels = prepared.about["pseudo"]["voxels"]
    print(
        f"{path}: {len(cases)} cases, {len(corrected)} of them corrected; voxels: "
        + ", ".join(f"{count} {kind}" for kind, count in voxels.items())
    )
    return path


def voxel_provenance(original: np.ndarray, predicted: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Where each label came from: 0 drawn in the source, 1 predicted, 2 changed by a person.

    Args:
        original: (d, h, w) uint8, 0 where nothing was drawn.
        predicted: as handed out.
        final: as accepted; a prediction that nobody has corrected is its own.
    """
    changed = np.where(predicted != final, CORRECTED, PREDICTED)
    return np.where(original > 0, ORIGINAL, changed).astype(np.uint8)


def _from_dataset(work: Work, source: DatasetSource, case: str) -> tuple:
    """Volume (ch + 1, d, h, w), axis, provenance and record of a case, on the grid it was stored on."""
    volume, record = source.volume(case).copy(), source.record_of(case)
    window = inside(record["box"])
    original = source.original(case)
    predicted, final = _labels(work, case)
    final = np.where(original > 0, original, final)
    provenance = np.zeros(volume.shape[1:], np.uint8)  # padding: nothing was predicted there
    provenance[window] = voxel_provenance(original, predicted, final)
    volume[-1][window] = final
    return volume, source.axis(case), provenance, record


def _from_images(work: Work, preparation: Preparation, case: str) -> tuple:
    """The same of an image, prepared as the teacher's dataset was."""
    known = work.cases[case]
    paths = [work.path("images", case, channel) for channel in range(known["channels"])]
    images = [image for path in paths for image in read_image(path)]
    kept = "accepted" if "taken" in known else "predicted"
    done = prepare(images, read_label(work.path(kept, case)), preparation)
    before = prepare(images[:1], read_label(work.path("predicted", case)), preparation).label
    provenance = np.zeros(done.label.shape, np.uint8)
    window = inside(done.case["box"])
    nothing = np.zeros_like(done.label[window])
    provenance[window] = voxel_provenance(nothing, before[window], done.label[window])
    record = done.case | {
        "id": known["id"],
        "patient": known["patient"],
        "source": known["files"],
        "label_source": [str(work.path(kept, case))],
    }
    return np.concatenate([done.image, done.label[None]]), done.axis, provenance, record


def _common_size(work: Work, preparation: Preparation, cases: Sequence[str]) -> Preparation:
    """One stored size for all; the labels carry stored ids already, so none is mapped again."""
    grids = [read_grid(work.path("images", case))[0] for case in cases]
    sizes = [stored_size(preparation, working_grid(grid, preparation).shape) for grid in grids]
    size = tuple(int(n) for n in np.max(sizes, axis=0))
    return dataclasses.replace(preparation, size=size, grows=(False,) * 3, label_map={})


def _labels(work: Work, case: str) -> tuple[np.ndarray, np.ndarray]:
    """The labels as predicted and as they are now."""
    predicted = read_ids(work.path("predicted", case))
    taken = "taken" in work.cases[case]
    return predicted, read_ids(work.path("accepted", case)) if taken else predicted


def _mark(work: Work, case: str) -> dict[str, Any]:
    """What keeps a case out of validation and test for good, and says who made its labels."""
    known = work.cases[case]
    number = known["round"]
    teachers = work.state["rounds"][number - 1]["teachers"]
    return {
        "pseudo": {
            "state": "corrected" if "taken" in known else "predicted",
            "round": number,
            "confidence": known["confidence"],
            "teachers": [f"{teacher['name']} epoch {teacher['epoch']}" for teacher in teachers],
        }
    }


def _about(work: Work, provenance: np.ndarray, cases: Sequence[str]) -> dict[str, Any]:
    """The manifest's `pseudo`: the work, its teachers, the patients they were trained on, voxel counts."""
    counts = np.bincount(provenance.ravel(), minlength=3)
    used = sorted({work.cases[case]["round"] for case in cases})
    rounds = [work.state["rounds"][number - 1] for number in used]
    seen = [one["patients"] for one in rounds]
    keys = ("name", "epoch", "valid_dice", "weight", "weights_sha256")
    return {
        "work": work.state["name"],
        "source": {k: v for k, v in work.state["source"].items() if k in ("kind", "name", "key")},
        "output_labels": work.state["output_labels"],
        "teachers": [
            {key: teacher[key] for key in keys} for one in rounds for teacher in one["teachers"]
        ],
        "teacher_patients": None if None in seen else sorted({p for part in seen for p in part}),
        "voxels": {
            "original or padding": int(counts[ORIGINAL]),
            "predicted": int(counts[PREDICTED]),
            "corrected": int(counts[CORRECTED]),
        },
    }


def _refuse_other(path: Path, name: str, work: Work) -> None:
    """Refuses to replace a dataset that this work has not made."""
    if name in PHANTOM_SETS or "/" in name or name.startswith("."):
        raise BadInput(f"--output_dataset {name}: is not a free name; give another")
    if path.exists():
        made = _made_by(open_bundle(path, "aux").manifest) if _is_aux(path) else None
        if made != work.state["name"]:
            raise BadInput(
                f"{path}: exists and was not made by this work ({made or 'another dataset'}); give another "
                "--output_dataset"
            )


def _is_aux(path: Path) -> bool:
    try:
        open_bundle(path, "aux")
    except BadInput:
        return False
    return True


def _made_by(manifest: Mapping[str, Any]) -> str | None:
    about = manifest.get("pseudo")
    return about.get("work") if isinstance(about, dict) else None
