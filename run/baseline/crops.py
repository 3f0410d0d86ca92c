"""The training set: augmented crops of one dataset file, or of several one behind the other."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mos.data.augment import Row, make_batch
from mos.data.bundle import Bundle
from mos.data.draw import draw_sample
from mos.data.keys import VOLUMES
from mos.data.manifest import labelled_slices
from mos.engine.order import Pool
from mos.errors import BadInput
from mos.shapes import format_numbers
from mos.timing import phase
from run.baseline.dataset import spacings_of
from run.baseline.labels import Labels
from run.baseline.model_arguments import ModelArguments


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How samples are cut and where they go."""

    crop_size: tuple[int, ...]
    level: int
    deep_maxscale: int
    flip_axes: str
    turned_share: float = 0.5
    empty_slices: float = 0.0  # 2-D: slices without a label, at most, for each one with a label
    device: torch.device  # of the batches
    voxels: torch.device  # of what they are cut from


@dataclass(frozen=True, kw_only=True)
class CropDataset:
    """Training crops of one tensor: slices for a 2-D network, blocks for a 3-D one."""

    set: str  # name of the dataset
    labels: tuple[int, ...]  # ids to learn from it; in its segmentations others count as background
    tensor: Tensor  # (n, ch + 1, h, w) or (n, ch + 1, d, h, w) uint8
    rows: Sequence[Row]  # of the tensor, sample by sample; (volume, slice) for slices of volumes
    names: Sequence[str]
    boxes: Sequence[Sequence[tuple[int, int]]]  # per row, along the axes of the crop
    spacings: Sequence[Sequence[float]]  # per row, mm along the axes of the crop
    cut: Cut

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def voxels(self) -> torch.device:
        """Where the voxels are."""
        return self.cut.voxels

    def batch(self, indices: Sequence[int], seeds: Sequence[int]) -> Mapping[str, Any]:
        """`image` (bs, ch, *crop_size) float32 and `segment` (bs, *crop_size) int64.

        And of each sample the name of its `set` and the label ids that are `annotated` there.
        """
        cut = self.cut
        with phase("augmentation"):  # reading the voxels is in there, and timed as such
            draws = [
                draw_sample(
                    seed,
                    level=cut.level,
                    box=self.boxes[index],
                    crop_size=cut.crop_size,
                    spacing=self.spacings[index],
                    deep_maxscale=cut.deep_maxscale,
                    flip_axes=cut.flip_axes,
                    turned_share=cut.turned_share,
                )
                for index, seed in zip(indices, seeds, strict=True)
            ]
            image, segment = make_batch(
                self.tensor,
                [self.rows[index] for index in indices],
                draws,
                seeds,
                cut.crop_size,
                cut.device,
            )
        count = len(indices)
        about = {"set": [self.set] * count, "annotated": [self.labels] * count}
        return {"image": image, "segment": segment, **about}

    def describe(self, index: int) -> Mapping[str, str]:
        return {"case": self.names[index]}


@dataclass(frozen=True)
class JoinedDataset:
    """Training crops of several tensors, whose volumes may differ in size and spacing."""

    parts: Sequence[CropDataset]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def voxels(self) -> torch.device:
        """Where the voxels of all parts are."""
        return self.parts[0].voxels

    def batch(self, indices: Sequence[int], seeds: Sequence[int]) -> Mapping[str, Any]:
        """The samples in the order of the indices; see `CropDataset.batch`."""
        rows: dict[int, list[int]] = {}
        for row, index in enumerate(indices):
            rows.setdefault(self._part(index)[0], []).append(row)
        if len(rows) == 1:
            (part,) = rows
            return self.parts[part].batch([self._part(i)[1] for i in indices], seeds)
        made = [
            self.parts[part].batch(
                [self._part(indices[row])[1] for row in members], [seeds[row] for row in members]
            )
            for part, members in rows.items()
        ]
        back = torch.tensor([row for members in rows.values() for row in members]).argsort()
        batch: dict[str, Any] = {}
        for key, value in made[0].items():
            if isinstance(value, Tensor):
                batch[key] = torch.cat([one[key] for one in made])[back.to(value.device)]
            else:
                joined = [entry for one in made for entry in one[key]]
                batch[key] = [joined[row] for row in back.tolist()]
        return batch

    def describe(self, index: int) -> Mapping[str, str]:
        part, row = self._part(index)
        case = self.parts[part].describe(row)["case"]
        alone = len({part.set for part in self.parts}) == 1
        return {"case": case if alone else f"{self.parts[part].set}: {case}"}

    @cached_property
    def _ends(self) -> list[int]:
        """The index behind the last sample of each part."""
        return list(accumulate(map(len, self.parts)))

    def _part(self, index: int) -> tuple[int, int]:
        """Which part holds an index, and its row there."""
        part = bisect_right(self._ends, index)
        return part, index - self._ends[part] + len(self.parts[part])


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
