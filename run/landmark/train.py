"""Training a landmark run: its dataset opened, its task made, and what is said of both."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from mos.data.landmark_bundle import open_landmarks
from mos.engine.device import Machine
from mos.engine.run import Opened, train_run
from mos.engine.start import Part
from mos.folders import dataset_path
from mos.networks.landmark_table import LANDMARK_NETWORKS
from run.landmark.model_arguments import TASK, ModelArguments
from run.landmark.phantom import ensure
from run.landmark.record import identity_of, make_record
from run.landmark.task import make_task


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
        prepare=lambda: ensure(options.train_dataset),
        open_run=lambda machine: _open(options, machine),
        texts=texts,
        layers=layers,
    )


def _open(options: ModelArguments, machine: Machine) -> Opened:
    bundle = open_landmarks(dataset_path(TASK, options.train_dataset))
    task = make_task(options, bundle, machine)
    h, w = options.size_for(bundle.size)
    images = ", ".join(f"{split} {len(cases)}" for split, cases in bundle.cases.items())
    masked = sum(int((~visible).sum()) for visible in bundle.visible.values())
    million = sum(p.numel() for p in task.network.parameters()) / 1e6
    return Opened(
        task=task,
        record=lambda: make_record(options, bundle),
        identity=identity_of(options, bundle),
        since={},
        lines=[
            f"data     {bundle.path.name}: images {images}, of {w} x {h} pixels",
            f"points   {len(bundle.names)}" + (f", {masked} of them masked" if masked else ""),
            f"network  {options.model}, {options.norm} norm, {million:.2f} M parameters, a heatmap pixel every "
            f"{options.heatmap_stride}, {options.heatmap_loss}",
        ],
        place="data on the CPU",
        outputs="points apart",
        scores=_scores,
        part=_encoder(options, task.network),
    )


def _encoder(options: ModelArguments, network: nn.Module) -> Part | None:
    """The pretrained encoder a run begins with; None where none is asked for."""
    if options.encoder_weights is None:
        return None
    from mos.networks.encoder_weights import FLAG, load_encoder

    name = options.encoder or LANDMARK_NETWORKS[options.model].encoder
    return Part(
        flag=FLAG,
        given=options.encoder_weights,
        load=lambda path, read: load_encoder(path, network, name, read),
    )


def _scores(line: Mapping[str, Any]) -> str:
    """A line of `metric.jsonl` as a user reads it."""
    if line.get("mre") is None:
        return "no point scored"
    shares = "  ".join(
        f"within {mm} mm {line[key]:.1%}"
        for key, mm in (("sdr2", "2"), ("sdr25", "2.5"), ("sdr3", "3"), ("sdr4", "4"))
    )
    spread = f"sd {line['mre_sd']:.3f}  " if line.get("mre_sd") is not None else ""
    return f"mre {line['mre_points']:.3f} mm  {spread}median {line['mre_median']:.3f}  {shares}"
