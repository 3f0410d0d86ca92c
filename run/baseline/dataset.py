"""Whole volumes to score, and how far apart their voxels lie. Training crops are in `crops`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mos.data.bundle import Box, Bundle, Case
from mos.errors import BadInput
from mos.shapes import format_numbers

Spacing = tuple[float, float, float]


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
