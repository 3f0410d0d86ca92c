"""Opening a stored landmark run: its options, its points, its network with an epoch's weights, its dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from mos.data.landmark_bundle import LandmarkBundle, landmark_hash, open_landmarks
from mos.data.points import swap_order
from mos.engine.checkpoint import load_weights
from mos.engine.device import Machine
from mos.engine.stored import dataset_file, read_stored, refuse_changed
from run.landmark.model_arguments import TASK, ModelArguments
from run.landmark.phantom import ensure
from run.landmark.task import build_network


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run as its folder tells it; nothing of its dataset or weights is read yet."""

    folder: Path
    options: ModelArguments
    record: Mapping[str, Any]  # run.json

    @property
    def names(self) -> tuple[str, ...]:
        """Of the points, in the order of the heatmaps."""
        return tuple(self.record["labels"].values())

    @property
    def order(self) -> list[int]:
        """Of the points in a mirrored image, see `mos.data.points.swap_order`."""
        return swap_order(len(self.names), self.record.get("swap", ()))

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the images it was trained on."""
        h, w = self.record["image_size"]
        return h, w


def open_stored(run: Path) -> StoredRun:
    """Reads `run.json`.

    Raises:
        BadInput: there is none, or it does not say what is needed to build the network again.
    """
    needed = ("in_channels", "labels", "image_size")
    record, options = read_stored(run, ModelArguments, TASK, needed, example="unet-512")
    return StoredRun(folder=run, options=options, record=record)


def load_network(stored: StoredRun, epoch: Path, machine: Machine) -> nn.Module:
    """The run's network with the weights of an epoch, ready to predict.

    Raises:
        BadInput: the weights are missing, broken, or of a differently built network.
    """
    network = build_network(
        stored.options,
        in_channels=stored.record["in_channels"],
        point_count=len(stored.names),
        size=stored.size,
        channels_last=machine.channels_last(stored.options.channels_last, stored.options.norm),
    )
    load_weights(network, epoch)
    return network.to(machine.device).eval()


def open_dataset(run: Path, record: Mapping[str, Any]) -> LandmarkBundle:
    """The dataset file of a run, made sure to be the one it was trained on.

    Raises:
        BadInput: it is missing, broken, or its content has changed since.
    """
    bundle = open_landmarks(dataset_file(TASK, record, ensure))
    refuse_changed(bundle, run, record, landmark_hash)
    return bundle
