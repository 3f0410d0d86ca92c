"""The runs that `cmd/predict` asks: one, or several of one kind whose mean it takes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mos.engine.device import Machine
from mos.engine.members import need_preparation, together
from mos.engine.record import file_hash
from mos.errors import BadInput
from mos.folders import WEIGHTS, epoch_number
from run.baseline.model_arguments import TASK
from run.baseline.predict_outputs import Settings
from run.baseline.stored import StoredRun, machine_for, open_stored, stored_epoch

# What runs must share to be averaged: label i of one is label i of the other, on the same voxels.
_SHARED = {
    "preparation": "prepare images differently",
    "in_channels": "were trained on another number of image channels",
    "label_count": "have another number of labels",
    "labels": "name the label ids differently",
    "train_labels": "learnt other label ids",
}


@dataclass(frozen=True, kw_only=True)
class Member:
    """One run, the epoch it is asked at, and how."""

    stored: StoredRun
    epoch: Path  # its folder
    weights_sha256: str
    machine: Machine
    flips: str  # axes that are averaged over, "" for none

    @property
    def name(self) -> str:
        """`baseline-heart-0/unet-3d-none epoch 40`"""
        run = self.stored.folder.resolve()
        return f"{run.parent.name}/{run.name} epoch {epoch_number(self.epoch)}"


def open_members(options: Any) -> list[Member]:
    """Opens the runs, in an order of their own so that the one they were named in changes nothing.

    Args:
        options: `run.baseline.cmd.predict.Options`.

    Raises:
        BadInput: a run that is none, lacks the epoch or the preparation of its dataset; one named
            twice; runs that cannot be averaged; flips where a run allows none.
    """
    members = [_open(Path(folder), options) for folder in options.run]
    return together(members, lambda one: one.stored.record, _SHARED, "dataset")


def settings_of(members: Sequence[Member], *, allow_gaps: bool) -> Settings:
    """What decides how results look: of one run its values, of several a tuple of each."""
    trained = [one.stored.options for one in members]
    each = {
        "epoch": [epoch_number(one.epoch) for one in members],
        "flips": [one.flips for one in members],
        "window": [tuple(options.dataset_valid_crop_size) for options in trained],
        "overlap": [options.dataset_valid_crop_overlap for options in trained],
        "precision": [one.machine.precision for one in members],
        "weights_sha256": [one.weights_sha256 for one in members],
    }
    if len(members) == 1:
        return Settings(**{key: values[0] for key, values in each.items()}, allow_gaps=allow_gaps)
    together = hashlib.sha256("\n".join(each.pop("weights_sha256")).encode()).hexdigest()
    tuples = {key: tuple(values) for key, values in each.items()}
    return Settings(**tuples, weights_sha256=together, allow_gaps=allow_gaps)


def about(members: Sequence[Member]) -> dict[str, Any]:
    """What a reader of `predict.json` wants to know of the runs: above all what the ids mean."""
    record = members[0].stored.record
    folders = [one.stored.folder.resolve() for one in members]
    told = {
        "run": " + ".join(sorted({folder.name for folder in folders})),
        "setting": " + ".join(sorted({folder.parent.name for folder in folders})),
        "labels": record.get("labels", {}),
        "predicted_labels": [0, *record["train_labels"]],
        "label_map": record["preparation"].get("label_map", {}),
    }
    if len(members) == 1:
        return told
    mean = {one.name: one.weights_sha256 for one in sorted(members, key=lambda one: one.name)}
    return told | {"mean_of": mean}


def _open(run: Path, options: Any) -> Member:
    stored = open_stored(run)
    need_preparation(run, stored.record, TASK)
    epoch = stored_epoch(run, options.epoch)
    trained = stored.options
    if options.flips and not trained.image_flip_axes:
        raise BadInput(
            f"--flips: {run} was trained where no axis may be flipped (--image_flip_axes none); leave --flips out"
        )
    return Member(
        stored=stored,
        epoch=epoch,
        weights_sha256=file_hash(epoch / WEIGHTS),
        machine=machine_for(options, trained, stored.record),
        flips=trained.image_flip_axes if options.flips or trained.valid_flips else "",
    )
