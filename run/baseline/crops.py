"""Training samples: augmented crops of one tensor, or of several one behind the other."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from mos.data.augment import Row, make_batch
from mos.data.draw import draw_sample
from mos.timing import phase


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
