"""Training a segmentation run: its datasets opened, its task made, and what is said of both."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from mos.engine.device import Machine
from mos.engine.run import Opened, train_run
from mos.engine.start import Part
from mos.networks.table import NETWORKS
from run.baseline.model_arguments import ModelArguments
from run.baseline.record import SINCE, identity_of, make_record
from run.baseline.sets import describe_sets, ensure_sets, open_sets
from run.baseline.task import make_task


def train(options: ModelArguments, texts: Mapping[str, str], layers: Mapping[str, str]) -> None:
    """Trains, or goes on training, the run the options name.

    Args:
        texts, layers: every option as text, and which layer set it, for `run.json`.

    Raises:
        BadInput: anything the user can mend; whole epochs on disk stay as they are.
    """
    train_run(
        options.folder,
        options,
        prepare=lambda: ensure_sets(options),
        open_run=lambda machine: _open(options, machine),
        texts=texts,
        layers=layers,
    )


def _open(options: ModelArguments, machine: Machine) -> Opened:
    bundle, aux, labels = open_sets(options)
    task = make_task(options, bundle, labels, machine, aux)
    norm = f", {options.norm} norm" if "norm" in NETWORKS[options.model].takes else ""
    million = sum(p.numel() for p in task.network.parameters()) / 1e6
    on_gpu = task.datasets["train"].voxels.type == "cuda"
    return Opened(
        task=task,
        record=lambda: make_record(options, bundle, aux, labels),
        identity=identity_of(options, labels),
        since=SINCE,
        lines=[
            *describe_sets(options, bundle, aux, labels, task),
            "labels   " + ", ".join(f"{label} {labels.names[label]}" for label in labels.train),
            f"network  {options.model} {options.dims}-D{norm}, {million:.2f} M parameters",
        ],
        place="data on the GPU" if on_gpu else "data mapped from its file",
        outputs="labels apart (background included)",
        scores=_scores,
        part=_encoder(options, task.network),
    )


def _encoder(options: ModelArguments, network: nn.Module) -> Part | None:
    """The pretrained encoder a run begins with; None where none is asked for."""
    if options.encoder_weights is None:
        return None
    from mos.networks.encoder_weights import FLAG, load_encoder

    name = options.encoder or NETWORKS[options.model].encoder
    return Part(
        flag=FLAG,
        given=options.encoder_weights,
        load=lambda path, read: load_encoder(path, network, name, read),
    )


def _scores(line: Mapping[str, Any]) -> str:
    """A line of `metric.jsonl` as a user reads it."""
    means = (f"{key} {_shown(line.get(key))}" for key in ("dice", "iou", "hd", "msd"))
    return f"{'  '.join(means)}  missed {line['missed']}  invented {line['invented']}"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
