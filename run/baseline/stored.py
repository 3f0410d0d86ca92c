"""Opening a stored run: its options, its labels, its network with an epoch's weights, its dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from mos.data.bundle import Bundle, content_hash, open_bundle
from mos.engine.checkpoint import load_weights
from mos.engine.device import Machine
from mos.engine.stored import dataset_file, read_stored, refuse_changed
from mos.engine.stored import machine_for as machine_for, stored_epoch as stored_epoch
from mos.engine.task import Batch, Dataset, Scores, Task
from mos.metrics.tolerance import parse_tolerances
from run.baseline.labels import Labels
from run.baseline.model_arguments import TASK, ModelArguments
from run.baseline.phantom import ensure
from run.baseline.task import build_network, predictor, reduce, score_volumes


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run as its folder tells it; nothing of its dataset or weights is read yet."""

    folder: Path
    options: ModelArguments
    record: Mapping[str, Any]  # run.json
    labels: Labels


def open_stored(run: Path) -> StoredRun:
    """Reads `run.json`.

    Raises:
        BadInput: there is none, or it does not say what is needed to build the network again.
    """
    needed = ("in_channels", "label_count", "labels", "train_labels", "spacing")
    record, options = read_stored(run, ModelArguments, TASK, needed, example="unet-2d-none")
    labels = Labels(
        count=record["label_count"],
        names={int(key): name for key, name in record["labels"].items()},
        train=tuple(record["train_labels"]),
        evaluate=tuple(record.get("eval_labels", record["train_labels"])),
        aux=tuple(tuple(one["labels"]) for one in record.get("aux_datasets", ())),
        main=tuple(record.get("main_labels", record["train_labels"])),
    )
    return StoredRun(folder=run, options=options, record=record, labels=labels)


def load_network(stored: StoredRun, epoch: Path, machine: Machine) -> nn.Module:
    """The run's network with the weights of an epoch, ready to predict.

    Raises:
        BadInput: the weights are missing, broken, or of a differently built network.
    """
    network = build_network(
        stored.options,
        in_channels=stored.record["in_channels"],
        label_count=stored.labels.count,
        spacing=stored.record["spacing"],
        channels_last=machine.channels_last(stored.options.channels_last, stored.options.norm),
    )
    load_weights(network, epoch)
    return network.to(machine.device).eval()


def open_dataset(stored: StoredRun) -> Bundle:
    """The main dataset file of the run, made sure to be the one it was trained on.

    Raises:
        BadInput: it is missing, broken, or its content has changed since.
    """
    bundle = open_bundle(dataset_file(TASK, stored.record, ensure))
    refuse_changed(bundle, stored.folder, stored.record, content_hash)
    return bundle


def scoring_task(
    stored: StoredRun,
    network: nn.Module,
    datasets: Mapping[str, Dataset],
    labels: Labels | None = None,
    nsd_tolerance: str = "",
) -> Task:
    """The run's way to predict and score, on the datasets given.

    Args:
        datasets: by stage, such as `run.baseline.dataset.volume_dataset` makes.
        labels: what to score; None: what the run scores.
        nsd_tolerance: as `--nsd_tolerance` has it; empty: that of the run.
    """
    scored = labels or stored.labels
    tolerance = parse_tolerances(nsd_tolerance or stored.options.nsd_tolerance, scored.count)

    def score(probabilities: Any, batch: Batch) -> Scores:
        return score_volumes(probabilities, batch, scored, tolerance)

    return Task(
        network=network,
        datasets=datasets,
        loss=_no_loss,
        predict=predictor(stored.options, stored.labels.train),
        score=score,
        reduce=reduce,
        best=("dice", "max"),
    )


def _no_loss(network: nn.Module, batch: Batch) -> Scores:
    raise TypeError("a stored run is scored here; training goes on in run.baseline.train")
