"""What a run trains on: which slices and volumes of its dataset files, cut as the options say."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mos.data.augment import Row
from mos.data.bundle import Bundle
from mos.data.keys import VOLUMES
from mos.data.manifest import labelled_slices
from mos.engine.order import Pool
from mos.errors import BadInput
from mos.shapes import format_numbers
from run.baseline.crops import CropDataset, Cut, JoinedDataset
from run.baseline.dataset import spacings_of
from run.baseline.labels import Labels
from run.baseline.model_arguments import ModelArguments


def train_dataset(
    options: ModelArguments,
    bundle: Bundle,
    aux: Mapping[str, Bundle],
    labels: Labels,
    cut: Cut,
) -> tuple[CropDataset | JoinedDataset, list[Pool]]:
    """What a run trains on, and a pool for each set in the order of `options.train_names`.

    Args:
        bundle: the main set.
        aux: the auxiliary sets by name, in the order of `labels.aux`.

    Raises:
        BadInput: an empty set, or a crop larger than the volumes of the main set.
    """
    groups: list[list[CropDataset]] = []
    asked = options.dataset_spacing
    if not options.aux_dataset_only:
        named = {"name": options.train_dataset, "labels": labels.main or labels.train}
        main = crop_datasets(bundle, "train3d", cut, asked_spacing=asked, **named)
        for split in VOLUMES["main"][1:] if options.dataset_train_all else ():
            if len(bundle.tensors[split]):
                main += crop_datasets(bundle, split, cut, asked_spacing=asked, pad=True, **named)
        groups.append([part for part in main if len(part)])
    if not options.main_dataset_only:
        for (name, one), its in zip(aux.items(), labels.aux, strict=True):
            # The main set's spacing is no word on this one, unless the file says nothing itself.
            known = all(case.spacing for case in one.cases["train3d"])
            parts = crop_datasets(
                one,
                "train3d",
                cut,
                name=name,
                labels=its,
                asked_spacing=None if known else asked,
                pad=True,
            )
            groups.append(parts)
    weights = [1.0] * len(groups)
    if options.aux_dataset_weight and not options.main_dataset_only:
        weights[len(groups) - len(aux) :] = options.aux_dataset_weight
    pools = [Pool(sum(map(len, parts)), weight) for parts, weight in zip(groups, weights)]
    parts = [part for group in groups for part in group]
    return parts[0] if len(parts) == 1 else JoinedDataset(parts), pools


def crop_datasets(
    bundle: Bundle, split: str, cut: Cut, *, pad: bool = False, **named: Any
) -> list[CropDataset]:
    """The crops of one split: blocks of its volumes in 3-D; in 2-D slices with a label, and others.

    A 2-D network is scored on whole volumes. One that never saw a slice without a label invents
    structures there, so some of those train too, cut from the volumes in place.

    Args:
        split: `train3d`, whose slices with a label are the file's `train2d`, or another one.
        pad, named: see `crop_dataset`.
    """
    if len(cut.crop_size) == 3:
        return [crop_dataset(bundle, split, cut, pad=pad, **named)]
    first = split == "train3d"
    labelled = bundle.slices if first else ()
    labelled = list(labelled or labelled_slices(bundle.tensors[split].numpy()))
    empty = _empty_slices(bundle, split, labelled, cut.empty_slices)
    if not first:
        return [crop_dataset(bundle, split, cut, places=labelled + empty, pad=pad, **named)]
    parts = [crop_dataset(bundle, split, cut, pad=pad, **named)]
    if empty:
        parts.append(crop_dataset(bundle, split, cut, places=empty, pad=pad, **named))
    return parts


def _empty_slices(
    bundle: Bundle, split: str, labelled: Sequence[tuple[int, int]], share: float
) -> list[tuple[int, int]]:
    """(row, slice) of real slices without a label, at most `share` for each labelled one, evenly chosen."""
    known = set(labelled)
    places = [
        (row, index)
        for row, case in enumerate(bundle.cases[split])
        for index in range(*case.box[0])
        if (row, index) not in known
    ]
    wanted = min(len(places), int(share * len(known)))
    return [places[number * len(places) // wanted] for number in range(wanted)]


def crop_dataset(
    bundle: Bundle,
    split: str,
    cut: Cut,
    *,
    name: str,
    labels: tuple[int, ...],
    asked_spacing: Sequence[float] | None,
    places: Sequence[tuple[int, int]] | None = None,
    pad: bool = False,
) -> CropDataset:
    """The crops of one split, 2-D or 3-D after the crop size.

    Args:
        split: `train3d`, whose slices are the file's `train2d`, or another one.
        places: 2-D: these slices (row, slice) of its volumes instead.
        pad: lay smaller volumes into the middle of zeros instead of refusing them.

    Raises:
        BadInput: a crop larger than the stored volumes, an empty set.
    """
    flat = len(cut.crop_size) == 2
    key = "train2d" if flat and places is None else split
    tensor, slices = bundle.tensors[key], bundle.slices if places is None else places
    rows: Sequence[Row] = range(len(tensor)) if places is None else places
    if not rows:
        raise BadInput(f"{bundle.path}: {key} is empty, there is nothing to train on")
    stored = tuple(tensor.shape[-len(cut.crop_size) :])
    if not pad and any(crop > size for crop, size in zip(cut.crop_size, stored, strict=True)):
        fitting = format_numbers(min(pair) for pair in zip(cut.crop_size, stored))
        raise BadInput(
            f"--dataset_crop_size {format_numbers(cut.crop_size)}: larger than {key} of {bundle.path}, whose "
            f"volumes are {format_numbers(stored)}; give for instance --dataset_crop_size {fitting}"
        )
    spacings = spacings_of(bundle, split, asked_spacing)
    cases = bundle.cases[split]
    if not flat:
        names, boxes = [case.id for case in cases], [case.box for case in cases]
    elif slices:
        names = [f"{cases[row].id} slice {index}" for row, index in slices]
        boxes = [cases[row].box[1:] for row, _ in slices]
        spacings = [spacings[row][1:] for row, _ in slices]
    else:  # nothing says which volume a slice came from
        names = [f"slice {index}" for index in rows]
        boxes = [((0, stored[0]), (0, stored[1]))] * len(rows)
        spacings = [spacings[0][1:]] * len(rows)
    tensor, boxes = _padded(tensor, boxes, cut.crop_size)
    return CropDataset(
        set=name,
        labels=labels,
        tensor=tensor.to(cut.voxels),
        rows=rows,
        names=names,
        boxes=boxes,
        spacings=spacings,
        cut=cut,
    )


def _padded(
    tensor: Tensor, boxes: Sequence[Sequence[tuple[int, int]]], crop_size: Sequence[int]
) -> tuple[Tensor, Sequence[Sequence[tuple[int, int]]]]:
    """Volumes of at least the crop's size, in the middle of zeros where they were smaller."""
    lacking = [max(0, crop - own) for crop, own in zip(crop_size, tensor.shape[-len(crop_size) :])]
    if not any(lacking):
        return tensor, boxes
    before = [count // 2 for count in lacking]
    sides = [side for b, count in zip(before, lacking) for side in (count - b, b)]
    moved = [tuple((start + b, stop + b) for (start, stop), b in zip(box, before)) for box in boxes]
    return F.pad(tensor, sides[::-1]), moved
