"""Segmentation as the engine sees it: a Task record of plain functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mos.data.bundle import Bundle
from mos.engine.device import Machine
from mos.engine.task import Batch, Scores, Task
from mos.errors import BadInput
from mos.metrics.segmentation import case_means, score_case, split_summary
from mos.metrics.tolerance import parse_tolerances
from mos.networks.plan import Plan
from mos.networks.table import NETWORKS
from run.baseline.crops import Cut
from run.baseline.dataset import VolumeDataset, inside, spacings_of, volume_dataset
from run.baseline.infer import labels_of, predict_probabilities
from run.baseline.labels import Labels
from run.baseline.loss import training_loss
from run.baseline.model_arguments import ModelArguments
from run.baseline.training_set import train_dataset


def build_network(
    options: ModelArguments,
    *,
    in_channels: int,
    label_count: int,
    spacing: Sequence[float],
    channels_last: bool,
) -> nn.Module:
    """The network of a run with weights drawn from `--seed`.

    Args:
        spacing: (d, h, w) in mm, which decides how the network pools.
    """
    torch.manual_seed(options.seed)
    plan = Plan(
        in_channels=in_channels,
        label_count=label_count,
        crop_size=options.dataset_crop_size,
        spacing=tuple(spacing)[-options.dims :],
        channels=options.model_channels,
        norm=options.norm,
        dropout=options.model_dropout,
        encoder=options.encoder,
        encoder_weights=options.encoder_weights,
    )
    network = NETWORKS[options.model].build(plan)
    if channels_last:
        # Not `network.to`: it refuses a 2-D layer inside a 3-D network.
        for parameter in network.parameters():
            if parameter.dim() == options.dims + 2:
                parameter.data = parameter.data.to(memory_format=_channels_last(options.dims))
    return network


def _channels_last(dims: int) -> torch.memory_format:
    return torch.channels_last if dims == 2 else torch.channels_last_3d


def typical_spacing(bundle: Bundle, asked: Sequence[float] | None) -> tuple[float, ...]:
    """The median spacing (d, h, w) in mm of the training volumes, or of others where there are none."""
    name = next((name for name, cases in bundle.cases.items() if cases), "train3d")
    if not bundle.cases[name]:
        raise BadInput(f"{bundle.path}: holds no volume")
    return tuple(float(v) for v in np.median(np.array(spacings_of(bundle, name, asked)), axis=0))


def make_task(
    options: ModelArguments,
    bundle: Bundle,
    labels: Labels,
    machine: Machine,
    aux: Mapping[str, Bundle] | None = None,
) -> Task:
    """Everything the engine needs to train and score a segmentation network.

    Args:
        bundle: the main set.
        aux: the auxiliary sets by name, in the order of `labels.aux`.

    Raises:
        BadInput: options and dataset files do not fit each other.
    """
    aux = aux or {}
    stored = tuple(bundle.tensors["train3d"].shape[3:])
    if options.dataset_image_size not in (None, stored):
        raise BadInput(
            f"--dataset_image_size {','.join(map(str, options.dataset_image_size))}: {bundle.path} "
            f"stores {stored[0]},{stored[1]}"
        )
    asked = options.dataset_spacing
    voxels = _voxel_device(options, (bundle, *aux.values()), machine)
    cut = Cut(
        crop_size=options.dataset_crop_size,
        level=options.image_enhance_level,
        deep_maxscale=options.dataset_crop_deep_maxscale,
        flip_axes=options.image_flip_axes,
        turned_share=options.image_turned_share,
        empty_slices=options.dataset_empty_slices,
        device=machine.device,
        voxels=voxels,
    )
    train, pools = train_dataset(options, bundle, aux, labels, cut)
    place = {"asked_spacing": asked, "device": machine.device, "voxels": voxels}
    last = machine.channels_last(options.channels_last, options.norm)
    network = build_network(
        options,
        in_channels=bundle.channels,
        label_count=labels.count,
        spacing=typical_spacing(bundle, asked),
        channels_last=last,
    ).to(machine.device)
    tolerance = parse_tolerances(options.nsd_tolerance, labels.count)

    def score(probabilities: Tensor, batch: Batch) -> Scores:
        return score_volumes(probabilities, batch, labels, tolerance)

    # What is trained on is not scored, and without a learnt label there is nothing to score.
    nothing = VolumeDataset(bundle.tensors["valid3d"][:0], (), (), machine.device)
    scored = labels.evaluate and not options.dataset_train_all
    return Task(
        network=network,
        datasets={
            "train": train,
            "valid": volume_dataset(bundle, "valid3d", **place) if scored else nothing,
            "test": volume_dataset(bundle, "test3d", **place) if scored else nothing,
        },
        loss=training_loss(
            options.partial_labels,
            labels.train,
            options.train_names,
            _channels_last(options.dims) if last else None,
        ),
        predict=predictor(options, labels.train),
        score=score,
        reduce=reduce,
        best=("dice", "max"),
        picture=picture,
        pools=pools,
    )


def predictor(
    options: ModelArguments, learnt: Sequence[int]
) -> Callable[[nn.Module, Batch], Tensor]:
    """How a run segments whole volumes, the same in training and ever after.

    Args:
        learnt: label ids that count; the others' probabilities go to background.

    Returns:
        A function of network and batch with probabilities (bs, label_count, d, h, w).
    """

    def predict(network: nn.Module, batch: Batch) -> Tensor:
        return predict_probabilities(
            network,
            batch["image"],
            dims=options.dims,
            window=options.dataset_valid_crop_size,
            overlap=options.dataset_valid_crop_overlap,
            labels=learnt,
            flip_axes=options.image_flip_axes if options.valid_flips else "",
            partial_labels=options.partial_labels,
        )

    return predict


def score_volumes(
    probabilities: Tensor,
    batch: Batch,
    labels: Labels,
    nsd_tolerance: Mapping[int, float] | None = None,
) -> dict[str, Tensor]:
    """Scores predicted volumes on their real voxels; padding is neither predicted nor scored.

    Args:
        probabilities: (bs, label_count, d, h, w).
        nsd_tolerance: mm by label id; None: the default for all.

    Returns:
        The `raw_*` tables of `mos.metrics.segmentation`, (bs, label_count) each, and `epoch_losses`
        (bs,): the cross-entropy of the reference on the real voxels.
    """
    rows: list[dict[str, np.ndarray]] = []
    losses = []
    for chances, reference, spacing, box in zip(
        probabilities, batch["segment"], batch["spacing"], batch["box"], strict=True
    ):
        window = inside(box)
        chances, reference = chances[(slice(None), *window)], reference[window]
        predicted = labels_of(chances[None])[0].cpu().numpy()
        rows.append(
            score_case(
                predicted,
                reference.cpu().numpy(),
                labels.evaluate,
                labels.count,
                spacing,
                nsd_tolerance,
            )
        )
        losses.append(_cross_entropy(chances, reference, labels))
    tables = {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}
    return tables | {"epoch_losses": torch.stack(losses)}


def _cross_entropy(chances: Tensor, reference: Tensor, labels: Labels) -> Tensor:
    """Mean of -log p of the reference over voxels, of the labels that are learnt and that it may hold.

    In the reference the others are background, and so are their probabilities.
    """
    counted = [label for label in labels.train if labels.main is None or label in labels.main]
    known = torch.isin(
        reference, torch.tensor([0, *counted], device=reference.device, dtype=reference.dtype)
    )
    target = torch.where(known, reference, 0).long()
    right = chances.gather(0, target[None])[0]
    others = [label for label in labels.train if label not in counted]
    if others:
        right = torch.where(target == 0, right + chances[others].sum(0), right)
    return -right.clamp_min(1e-7).log().mean(dtype=torch.float64).cpu()


def reduce(tables: Scores) -> dict[str, Tensor]:
    """Per-case means (n,) and the counts of missed and invented structures ()."""
    raw = {key: value.numpy() for key, value in tables.items() if key.startswith("raw_")}
    means = {key: torch.from_numpy(np.asarray(value)) for key, value in case_means(raw).items()}
    summary = split_summary(raw)
    return means | {key: torch.tensor(int(summary[key])) for key in ("missed", "invented")}


def picture(probabilities: Tensor, batch: Mapping[str, Any]) -> Tensor:
    """(3, h, w) uint8 of the slice with most label: image | reference | prediction, one colour an id."""
    segment = batch["segment"][0]
    index = int((segment > 0).sum((1, 2)).argmax())
    grey = (batch["image"][0, 0, index] * 255).to(torch.uint8).cpu()
    tiles = [grey.expand(3, -1, -1)]
    for labels in (segment[index], labels_of(probabilities)[0, index]):
        colour = _colours(int(probabilities.shape[1]))[labels.cpu().long()].permute(2, 0, 1)
        tiles.append(torch.where(labels.cpu() > 0, (grey // 2 + colour // 2), grey))
    return torch.cat(tiles, 2)


def _colours(count: int) -> Tensor:
    """(count, 3) uint8: background black, then hues 62 degrees apart."""
    import colorsys

    hues = [colorsys.hsv_to_rgb((62 * i % 360) / 360, 1, 1) for i in range(count - 1)]
    return torch.tensor(
        [(0, 0, 0), *[tuple(int(255 * v) for v in hue) for hue in hues]], dtype=torch.uint8
    )


def _voxel_device(
    options: ModelArguments, bundles: Sequence[Bundle], machine: Machine
) -> torch.device:
    """Where the voxels live: on the GPU when they take less than half of its free memory."""
    wanted = options.dataset_device
    if wanted == "cpu" or machine.device.type == "cpu":
        if wanted not in ("cpu", "auto"):
            raise BadInput(
                f"--dataset_device {wanted}: the run computes on the CPU; use cpu or auto"
            )
        return torch.device("cpu")
    size = sum(tensor.nbytes for bundle in bundles for tensor in bundle.tensors.values())
    free, _ = torch.cuda.mem_get_info(machine.device)
    if wanted == "auto":
        return machine.device if size < free / 2 else torch.device("cpu")
    if wanted != "cuda":
        raise BadInput(f"--dataset_device {wanted}: needs auto, cpu or cuda")
    if size > free:
        raise BadInput(
            f"--dataset_device cuda: the data has {size >> 20} MiB, the GPU {free >> 20} MiB free; use auto"
        )
    return machine.device
