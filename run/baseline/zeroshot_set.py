"""A dataset a stored run was not trained for: whether that is so, which labels count, which voxels it sees."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mos.data.bundle import Bundle, content_hash, open_bundle
from mos.engine.task import Batch
from mos.errors import BadInput
from mos.folders import dataset_path
from mos.io.geometry import Grid, with_spacing
from mos.io.resample import resample_image, resample_linear
from mos.shapes import format_numbers
from run.baseline.checking import kind_of
from run.baseline.dataset import inside, spacings_of
from run.baseline.model_arguments import TASK
from run.baseline.phantom import ensure
from run.baseline.stored import StoredRun, open_dataset


@dataclass(frozen=True)
class ForeignSet:
    """A dataset file to score on.

    `volumes` is the tensor scored: `crop3d` of a zero-shot file, `test3d` of a main file (so that
    scores stand beside those of runs trained on it; `train3d` where it tests nothing), and `train3d` of
    an auxiliary file, which has no other.
    """

    name: str
    bundle: Bundle
    volumes: str
    sha256: str


def open_foreign(name: str) -> ForeignSet:
    """Opens a set by name; a phantom's is made on first use.

    Raises:
        BadInput: missing, broken, or without labels to score against.
    """
    ensure(name)
    path = dataset_path(TASK, name)
    bundle = open_bundle(path, kind_of(path) if path.exists() else "zeroshot")
    if bundle.kind == "pseudo" or bundle.annotated == ():
        raise BadInput(
            f"--zeroshot_dataset {name}: {path} annotates nothing, so nothing can be scored on it; "
            "cmd/predict and cmd/pseudo-gen are for volumes without labels"
        )
    volumes = {"zeroshot": "crop3d", "aux": "train3d"}.get(bundle.kind, "test3d")
    if not len(bundle.tensors[volumes]):
        volumes = "train3d"
    if not len(bundle.tensors.get(volumes, ())):
        raise BadInput(f"--zeroshot_dataset {name}: {path} holds no volume to score on")
    return ForeignSet(name, bundle, volumes, content_hash(bundle))


def check_foreign(stored: StoredRun, foreign: ForeignSet) -> None:
    """Makes sure that the run has not seen the set.

    Raises:
        BadInput: it is the run's main or auxiliary file; a patient of it is in the run's training or
            validation; the run's own file cannot be read to make sure of that; channels differ.
    """
    run, name = stored.folder, foreign.name
    own = stored.record.get("dataset") or {}
    aux = stored.options.aux_names
    hashes = [one.get("sha256") for one in stored.record.get("aux_datasets", ())]
    if name == own.get("name") or name in aux or foreign.sha256 in (own.get("sha256"), *hashes):
        which = "the main dataset" if foreign.sha256 == own.get("sha256") else "a dataset"
        raise BadInput(f"{run}: {name} is {which} of this run, so scores on it are no zero-shot")
    channels = stored.record["in_channels"]
    if foreign.bundle.channels != channels:
        raise BadInput(
            f"{run}: reads {channels} image channels, {foreign.bundle.path} has {foreign.bundle.channels}"
        )
    seen = _seen_patients(stored, aux)
    listed = foreign.bundle.manifest.get("cases", {}).get(foreign.volumes, ())
    sources = {str(one.get("id")): one.get("source", ()) for one in listed}
    known = sorted(
        {
            case.patient
            for case in foreign.bundle.cases[foreign.volumes]
            if any(_same_place(sources.get(case.id, ()), s) for s in seen.get(case.patient, ()))
        }
    )
    if known:
        raise BadInput(
            f"{run}: {len(known)} patients of {name} are in its training or validation, such as {known[0]}, so "
            "scores on it are no zero-shot; use a set of other patients"
        )


def _seen_patients(stored: StoredRun, aux: Sequence[str]) -> dict[str, list[Sequence[str]]]:
    """Patients the run was trained on or chosen by, with where the images of each case came from."""
    bundles = [(open_dataset(stored), ("train3d", "valid3d"))]
    if stored.options.dataset_train_all:
        bundles = [(bundle, (*names, "test3d")) for bundle, names in bundles]
    for name in aux:
        ensure(name)
        path = dataset_path(TASK, name)
        bundles.append((open_bundle(path, kind_of(path) if path.exists() else "aux"), ("train3d",)))
    seen: dict[str, list[Sequence[str]]] = {}
    for bundle, names in bundles:
        for part in names:
            listed = bundle.manifest.get("cases", {}).get(part, ())
            sources = {str(one.get("id")): one.get("source", ()) for one in listed}
            for case in bundle.cases[part]:
                seen.setdefault(case.patient, []).append(sources.get(case.id, ()))
    return seen


def _same_place(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether images may come from one place: the same folder, or one of them does not say.

    `patient001` of two hospitals is two people; of one folder it is one, whichever image of his.
    """
    if not a or not b:
        return True
    return bool({str(Path(one).parent) for one in a} & {str(Path(one).parent) for one in b})


def labels_to_score(
    stored: StoredRun, foreign: ForeignSet, asked: Sequence[int]
) -> tuple[int, ...]:
    """The ids the set annotates and the run has learnt; of these those asked for, if any are.

    Raises:
        BadInput: none is left, one that is asked for is not among them, or an id means different things.
    """
    learnt = stored.labels.train
    annotated = foreign.bundle.annotated
    annotated = learnt if annotated is None else annotated
    both = tuple(label for label in learnt if label in annotated)
    lacking = [label for label in asked if label not in both]
    said = f"{foreign.name} annotates {list(annotated)}, {stored.folder} has learnt {list(learnt)}"
    if lacking:
        raise BadInput(f"--zeroshot_dataset_labels {lacking[0]}: {said}")
    if not both:
        raise BadInput(f"no label to score: {said}")
    for label in asked or both:
        theirs, ours = foreign.bundle.label_names.get(label), stored.labels.names.get(label)
        named = theirs is not None and ours is not None and ours != f"label {label}"
        if named and _plain(theirs) != _plain(ours):
            raise BadInput(
                f"label id {label} is {theirs!r} in {foreign.bundle.path} and {ours!r} in {stored.folder}; build "
                "the set again with cmd/build --label_map (and --label_names), or leave the id out with "
                "--zeroshot_dataset_labels"
            )
    return tuple(asked) or both


def _plain(name: str) -> str:
    return "".join(name.casefold().replace("_", " ").split())


def seen_spacing(stored: StoredRun) -> tuple[float, float, float]:
    """The spacing (d, h, w) in mm of the voxels the network has learnt; 0: any, as the images have it.

    A 2-D network sees slices one by one, so the distance between them is nothing to it.
    """
    prepared = (stored.record.get("preparation") or {}).get("spacing")
    spacing = prepared or stored.record["spacing"]
    d, h, w = (float(value) for value in spacing)
    return (0.0 if stored.options.dims == 2 else d, h, w)


def asked_spacing(stored: StoredRun, foreign: ForeignSet) -> Sequence[float] | None:
    """The run's `--dataset_spacing` for a set that does not say its own; it has to stand in then."""
    says = all(case.spacing for case in foreign.bundle.cases[foreign.volumes])
    return None if says else stored.options.dataset_spacing


def resampling_note(stored: StoredRun, foreign: ForeignSet) -> str:
    """One sentence for the user where the set's voxels are of another size than the run's; else "".

    Raises:
        BadInput: nothing says the set's spacing.
    """
    wanted = seen_spacing(stored)
    spacings = spacings_of(foreign.bundle, foreign.volumes, asked_spacing(stored, foreign))
    other = {s for s in spacings if _is_other(s, wanted)}
    if not other:
        return ""
    example = format_numbers(sorted(other)[0])
    kept = format_numbers([new or old for new, old in zip(wanted, sorted(other)[0])])
    return (
        f"{len([s for s in spacings if s in other])} of {len(spacings)} volumes of {foreign.name} have other voxels "
        f"({example} mm) than the run has learnt: they are resampled to {kept} mm to predict, and scored on "
        "their own grid"
    )


def _is_other(spacing: Sequence[float], wanted: Sequence[float]) -> bool:
    return any(new and abs(new / old - 1) > 0.01 for old, new in zip(spacing, wanted))


def predict_as_learnt(
    stored: StoredRun, predict: Callable[[nn.Module, Batch], Tensor]
) -> Callable[[nn.Module, Batch], Tensor]:
    """The run's prediction on voxels of the size it has learnt, brought back to the volume's own grid.

    An image is resampled as cmd/build resamples; probabilities go back linearly, as cmd/predict does.
    The reference is never resampled. Volumes that fit already take the very path of the run's own test.
    """
    wanted = seen_spacing(stored)
    preparation = stored.record.get("preparation") or {}
    interpolation = preparation.get("interpolation", "bspline")

    def predict_one(network: nn.Module, batch: Batch, row: int) -> Tensor:
        image, spacing, box = (batch[key][row] for key in ("image", "spacing", "box"))
        if not _is_other(spacing, wanted):
            return predict(network, {**batch, "image": image[None]})[0]
        window = inside(box)
        real = image[(slice(None), *window)]
        grid = Grid(tuple(real.shape[1:]), np.diag([*reversed(spacing), 1.0]))
        target = with_spacing(grid, wanted)
        channels = [
            resample_image(one.cpu().numpy(), grid, target, interpolation).clip(0, 1)
            for one in real
        ]
        seen = torch.from_numpy(np.stack(channels)).to(image.device)
        chances = predict(network, {**batch, "image": seen[None]})[0].float().cpu().numpy()
        whole = torch.zeros(len(chances), *image.shape[1:], device=image.device)
        whole[0] = 1  # padding is background
        back = np.stack([resample_linear(share, target, grid) for share in chances])
        whole[(slice(None), *window)] = torch.from_numpy(back).to(image.device)
        return whole

    def predict_all(network: nn.Module, batch: Batch) -> Tensor:
        return torch.stack([predict_one(network, batch, r) for r in range(len(batch["image"]))])

    return predict_all


def scored_labels(stored: StoredRun, labels: Sequence[int]) -> Any:
    """The run's labels with only those counting that the set annotates."""
    return dataclasses.replace(stored.labels, evaluate=tuple(labels), main=tuple(labels))


def about(foreign: ForeignSet, labels: Sequence[int]) -> Mapping[str, Any]:
    """What a metric file keeps of a set: scores of another file or label list are others."""
    return {"sha256": foreign.sha256, "labels": list(labels), "volumes": foreign.volumes}
