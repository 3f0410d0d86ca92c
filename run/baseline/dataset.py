"""The three datasets of a segmentation run: augmented crops to learn from, whole volumes to score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mos.data.augment import make_batch
from mos.data.bundle import Box, Bundle, Case
from mos.data.draw import draw_sample
from mos.errors import BadInput
from mos.shapes import format_numbers

Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class CropDataset:
    """Training crops: slices for a 2-D network, blocks for a 3-D one."""

    tensor: Tensor  # (n, ch + 1, h, w) or (n, ch + 1, d, h, w) uint8
    names: Sequence[str]
    boxes: Sequence[Sequence[tuple[int, int]]]  # per row, along the axes of the crop
    spacings: Sequence[Sequence[float]]  # per row, mm along the axes of the crop
    crop_size: tuple[int, ...]
    level: int
    deep_maxscale: int
    flip_axes: str
    device: torch.device

    def __len__(self) -> int:
        return len(self.tensor)

    def batch(self, indices: Sequence[int], seeds: Sequence[int]) -> Mapping[str, Any]:
        """`image` (bs, ch, *crop_size) float32 and `segment` (bs, *crop_size) int64."""
        draws = [
            draw_sample(
                seed,
                level=self.level,
                box=self.boxes[index],
                crop_size=self.crop_size,
                spacing=self.spacings[index],
                deep_maxscale=self.deep_maxscale,
                flip_axes=self.flip_axes,
            )
            for index, seed in zip(indices, seeds, strict=True)
        ]
        image, segment = make_batch(self.tensor, indices, draws, seeds, self.crop_size, self.device)
        return {"image": image, "segment": segment}

    def describe(self, index: int) -> Mapping[str, str]:
        return {"case": self.names[index]}


@dataclass(frozen=True)
class VolumeDataset:
    """Whole volumes, one a batch, for evaluation."""

    tensor: Tensor  # (n, ch + 1, d, h, w) uint8
    cases: Sequence[Case]
    spacings: Sequence[Spacing]
    device: torch.device

    def __len__(self) -> int:
        return len(self.tensor)

    def batch(self, indices: Sequence[int], seeds: Sequence[int]) -> Mapping[str, Any]:
        """`image` (bs, ch, d, h, w) float32 0..1, `segment` (bs, d, h, w) uint8, `spacing` (mm) and `box`."""
        block = torch.stack([self.tensor[index] for index in indices]).to(self.device)
        return {
            "image": block[:, :-1].float().div_(255.0),
            "segment": block[:, -1],
            "spacing": [self.spacings[index] for index in indices],
            "box": [self.cases[index].box for index in indices],
        }

    def describe(self, index: int) -> Mapping[str, str]:
        return {"case": self.cases[index].id, "patient": self.cases[index].patient}


def spacings_of(bundle: Bundle, name: str, asked: Sequence[float] | None) -> list[Spacing]:
    """Spacing (d, h, w) in mm of every case of a split.

    What the manifest says; without one the distance of the slices by their positions, where the file
    has them, and the rest as asked for.

    Raises:
        BadInput: nothing says it, or what is asked for contradicts the file by more than 1 %.
    """
    spacings = []
    for case in bundle.cases[name]:
        known = case.spacing or (case.step, None, None)
        if asked is None and case.spacing is None:
            raise BadInput(
                f"{bundle.path}: does not say its spacing, and distances in mm need it; "
                f"give --dataset_spacing d,h,w, such as {f'{case.step:g}' if case.step else '10'},1.5,1.5"
            )
        for wanted, own in zip(asked or known, known, strict=True):
            if own is not None and abs(wanted - own) > 0.01 * own:
                raise BadInput(_contradiction(bundle, case, asked))
        spacings.append(tuple(own or wanted for wanted, own in zip(asked or known, known)))
    return spacings


def _contradiction(bundle: Bundle, case: Case, asked: Sequence[float]) -> str:
    given = f"--dataset_spacing {format_numbers(asked)}: {bundle.path}"
    if case.spacing:
        return f"{given} says {format_numbers(case.spacing)} mm for case {case.id}; leave the option out"
    right = format_numbers((case.step, *asked[1:]))
    return (
        f"{given} has slices {case.step:g} mm apart in case {case.id} by their positions; "
        f"give --dataset_spacing {right}"
    )


def crop_dataset(
    bundle: Bundle,
    *,
    crop_size: tuple[int, ...],
    level: int,
    deep_maxscale: int,
    flip_axes: str,
    asked_spacing: Sequence[float] | None,
    device: torch.device,
    voxels: torch.device,
) -> CropDataset:
    """The training set of a bundle, 2-D or 3-D after the crop size.

    Raises:
        BadInput: a crop larger than the stored volume, an empty set.
    """
    name = "train2d" if len(crop_size) == 2 else "train3d"
    tensor = bundle.tensors[name]
    if not len(tensor):
        raise BadInput(f"{bundle.path}: {name} is empty, there is nothing to train on")
    stored = tuple(tensor.shape[2:])
    if any(crop > size for crop, size in zip(crop_size, stored, strict=True)):
        fitting = ",".join(
            str(min(crop, size)) for crop, size in zip(crop_size, stored, strict=True)
        )
        raise BadInput(
            f"--dataset_crop_size {','.join(map(str, crop_size))}: larger than {name} of {bundle.path}, whose "
            f"volumes are {','.join(map(str, stored))}; give for instance --dataset_crop_size {fitting}"
        )
    spacings = spacings_of(bundle, "train3d", asked_spacing)
    cases = bundle.cases["train3d"]
    if name == "train3d":
        names, boxes = [case.id for case in cases], [case.box for case in cases]
    elif bundle.slices:
        names = [f"{cases[row].id} slice {index}" for row, index in bundle.slices]
        boxes = [cases[row].box[1:] for row, _ in bundle.slices]
        spacings = [spacings[row][1:] for row, _ in bundle.slices]
    else:  # nothing says which volume a slice came from
        names = [f"slice {index}" for index in range(len(tensor))]
        boxes = [((0, stored[0]), (0, stored[1]))] * len(tensor)
        spacings = [spacings[0][1:]] * len(tensor)
    return CropDataset(
        tensor.to(voxels),
        names,
        boxes,
        spacings,
        crop_size,
        level,
        deep_maxscale,
        flip_axes,
        device,
    )


def volume_dataset(
    bundle: Bundle,
    name: str,
    *,
    asked_spacing: Sequence[float] | None,
    device: torch.device,
    voxels: torch.device,
) -> VolumeDataset:
    """The volumes of one split, for evaluation."""
    spacings = spacings_of(bundle, name, asked_spacing)
    return VolumeDataset(bundle.tensors[name].to(voxels), bundle.cases[name], spacings, device)


def inside(box: Box) -> tuple[slice, slice, slice]:
    """A box as an index into (d, h, w)."""
    return tuple(slice(start, stop) for start, stop in box)
