"""Landmark detection as the engine sees it: a Task record of plain functions."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mos.data.augment_points import Motion
from mos.data.heatmap import profiles, to_grid
from mos.data.landmark_bundle import SPLITS, LandmarkBundle
from mos.data.points import swap_order, to_original
from mos.engine.device import Machine
from mos.engine.task import Batch, Dataset, Scores, Task
from mos.losses.heatmap import HEATMAP_LOSSES, heatmap_loss
from mos.metrics.landmark import case_means, score_points, split_summary
from mos.networks.landmark_table import LANDMARK_NETWORKS
from mos.networks.plan import Plan
from run.landmark.dataset import evaluation_dataset, training_dataset
from run.landmark.model_arguments import ModelArguments
from run.landmark.picture import picture
from run.landmark.predict_points import Prediction, predict_points

BEST = ("mre", "min")


def build_network(
    options: ModelArguments,
    *,
    in_channels: int,
    point_count: int,
    size: tuple[int, int],
    channels_last: bool,
) -> nn.Module:
    """The network of a run with weights drawn from `--seed`.

    Args:
        size: (h, w) of the images trained on.
    """
    torch.manual_seed(options.seed)
    plan = Plan(
        in_channels=in_channels,
        label_count=point_count,
        crop_size=size,
        spacing=(1.0, 1.0),
        channels=options.model_channels,
        norm=options.norm,
        dropout=options.model_dropout,
        encoder=options.encoder,
        encoder_weights=options.encoder_weights,
    )
    network = LANDMARK_NETWORKS[options.model].build(plan, options.heatmap_stride)
    return network.to(memory_format=torch.channels_last) if channels_last else network


def make_task(options: ModelArguments, bundle: LandmarkBundle, machine: Machine) -> Task:
    """Everything the engine needs to train and score a landmark network.

    Raises:
        BadInput: options and dataset file do not fit each other.
    """
    size = options.size_for(bundle.size)
    train = training_dataset(
        bundle,
        image_size=size,
        motion=Motion(
            level=options.image_enhance_level,
            rotation=options.image_rotation,
            scale=options.image_zoom,
            shift=options.image_shift,
            flip=options.image_flip,
            bend=options.image_bend,
            turned_share=options.image_turned_share,
        ),
        device=machine.device,
        splits=SPLITS if options.dataset_train_all else ("train",),
    )
    last = machine.channels_last(options.channels_last, options.norm)
    network = build_network(
        options,
        in_channels=bundle.channels,
        point_count=len(bundle.names),
        size=size,
        channels_last=last,
    ).to(machine.device)
    return Task(
        network=network,
        datasets={"train": train, **_scored(options, bundle, size, machine)},
        loss=training_loss(options, torch.channels_last if last else None),
        predict=predictor(options, swap_order(len(bundle.names), bundle.swap)),
        score=scorer(options),
        reduce=reduce,
        best=BEST,
        picture=picture,
    )


def _scored(
    options: ModelArguments, bundle: LandmarkBundle, size: tuple[int, int], machine: Machine
) -> dict[str, Dataset]:
    """The images to score; what is trained on is not."""
    if options.dataset_train_all:
        return {"valid": (), "test": ()}
    return {
        split: evaluation_dataset(bundle, split, image_size=size, device=machine.device)
        for split in ("valid", "test")
    }


def training_loss(
    options: ModelArguments, memory_format: torch.memory_format | None
) -> Callable[[nn.Module, Batch], Scores]:
    """The function of network and batch that a run trains with: the mean over samples, of visible points.

    Args:
        memory_format: how the network wants its images; None: as they come.
    """

    def loss(network: nn.Module, batch: Batch) -> Scores:
        image = batch["image"]
        if memory_format is not None:
            image = image.contiguous(memory_format=memory_format)
        return {"loss": sample_losses(network(image), batch, options).mean()}

    return loss


def sample_losses(logits: Tensor, batch: Batch, options: ModelArguments) -> Tensor:
    """(bs,): the loss of each sample, over its visible points.

    Args:
        logits: (bs, point_count, h / stride, w / stride).
        batch: with `points` and `visible`.
    """
    stride = options.heatmap_stride
    size, points = logits.shape[2:], to_grid(batch["points"], stride)
    along_y, along_x = profiles(points, size, options.heatmap_sigma / stride)
    return heatmap_loss(options.heatmap_loss, logits, along_y, along_x, batch["visible"])


def predictor(
    options: ModelArguments, order: Sequence[int]
) -> Callable[[nn.Module, Batch], Prediction]:
    """How a run finds points, the same in training and ever after; see `predict_points`."""
    return lambda network, batch: predict_points(network, batch["image"], options, order)


def scorer(options: ModelArguments) -> Callable[[Prediction, Batch], Scores]:
    """How a run scores points: in mm on the original image, at that image's own scale.

    Returns:
        A function of prediction and batch with the `raw_*` tables of `mos.metrics.landmark`,
        (bs, point_count) each; `predicted` (bs, point_count, [xy]) float32 in pixels of the original image;
        `epoch_losses` (bs,): the training loss of the reference.
    """

    def score(prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        place = (batch["factor"].double()[:, None], batch["offset"].double()[:, None])
        predicted = to_original(prediction.points.double(), *place)
        raw = score_points(
            predicted.cpu().numpy(),
            to_original(batch["points"].double(), *place).cpu().numpy(),
            batch["visible"].cpu().numpy(),
            (batch["scale"].double() / batch["factor"].double()).cpu().numpy(),
        )
        logits = HEATMAP_LOSSES[options.heatmap_loss].logits(prediction.heat)
        tables = {key: torch.from_numpy(value) for key, value in raw.items()}
        tables["predicted"] = predicted.float()
        return tables | {"epoch_losses": sample_losses(logits, batch, options).double()}

    return score


def reduce(tables: Scores) -> dict[str, Tensor]:
    """Per-case means (n,), and mean, standard deviation, median and count over all points ()."""
    raw = {key: value.numpy() for key, value in tables.items() if key.startswith("raw_")}
    means = {key: torch.from_numpy(value) for key, value in case_means(raw).items()}
    return means | {key: torch.tensor(value) for key, value in split_summary(raw).items()}
