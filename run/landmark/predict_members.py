"""The runs that `cmd/predict` asks: one, or several of one kind whose mean it takes."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mos.engine.device import Machine
from mos.engine.members import need_preparation, together
from mos.engine.record import file_hash
from mos.engine.stored import machine_for, stored_epoch
from mos.errors import BadInput
from mos.folders import WEIGHTS, epoch_number
from mos.io.fit_picture import PicturePreparation
from mos.stored_options import need_runs
from run.landmark.model_arguments import TASK, ModelArguments
from run.landmark.stored import StoredRun, open_stored

# What runs must share to be averaged: heatmap i of one is heatmap i of the other, on the same pixels.
_SHARED = {
    "preparation": "prepare images differently",
    "in_channels": "were trained on another number of image channels",
    "labels": "name the points differently",
    "heatmap_loss": "read their heatmaps differently",
}


@dataclass(frozen=True, kw_only=True)
class Member:
    """One run, the epoch it is asked at, and how."""

    stored: StoredRun
    epoch: Path  # the folder of its weights
    name: str  # for messages: `landmark-ceph-0/unet-512 epoch 40`
    weights_sha256: str
    machine: Machine
    options: ModelArguments  # of the run, with the flips and sizes to average over

    @property
    def preparation(self) -> PicturePreparation:
        return PicturePreparation.from_json(self.stored.record["preparation"])


def open_members(folders: Sequence[tuple[Path, Path]], options: Any) -> list[Member]:
    """Opens runs, in an order of their own so that the one they were named in changes nothing.

    Args:
        folders: of each run its own folder and that of its weights.
        options: with `flips`, `scales`, `device`, `precision` and `threads`, as commands have them.

    Raises:
        BadInput: a run that is none, lacks weights or the preparation of its dataset; one named twice;
            runs that cannot be averaged; flips where a run saw none.
    """
    members = [_open(run, epoch, options) for run, epoch in folders]
    return together(members, _facts, _SHARED, "dataset and one loss")


def run_places(runs: Sequence[str], epoch: str) -> list[tuple[Path, Path]]:
    """Of each run its folder and that of the epoch, for `open_members`.

    Raises:
        BadInput: no run, or one that stores no weights of that epoch.
    """
    need_runs(runs, TASK, example="unet-512")
    return [(Path(run), stored_epoch(Path(run), epoch)) for run in runs]


def averaging(trained: ModelArguments, run: Path, options: Any) -> ModelArguments:
    """The options of a run with the flips and sizes of the command; what is not asked for stays as in the run.

    Raises:
        BadInput: flips of a run that was trained without.
    """
    if options.flips and not trained.image_flip:
        raise BadInput(
            f"--flips: {run} was trained without --image_flip, so it would answer a mirrored image by chance; "
            "leave --flips out"
        )
    return dataclasses.replace(
        trained,
        valid_flips=trained.valid_flips or options.flips,
        valid_scales=options.scales or trained.valid_scales,
    )


def _open(run: Path, epoch: Path, options: Any) -> Member:
    stored = open_stored(run)
    need_preparation(run, stored.record, TASK)
    if not (epoch / WEIGHTS).is_file():
        raise BadInput(f"{epoch / WEIGHTS}: no such file; the weights of {run} are missing")
    place, number = run.resolve(), epoch_number(epoch)
    return Member(
        stored=stored,
        epoch=epoch,
        name=f"{place.parent.name}/{place.name}" + (f" epoch {number}" if number else ""),
        weights_sha256=file_hash(epoch / WEIGHTS),
        machine=machine_for(options, stored.options, stored.record),
        options=averaging(stored.options, run, options),
    )


def _facts(one: Member) -> Mapping[str, Any]:
    return {**one.stored.record, "heatmap_loss": one.stored.options.heatmap_loss}
