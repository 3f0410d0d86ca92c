"""Images and their points as batches: moved by chance to train on, as they are to score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mos.data.augment_points import Motion, draw_motion, move_batch
from mos.data.landmark_bundle import SPLITS, LandmarkBundle, LandmarkCase
from mos.data.points import swap_order
from mos.errors import BadInput
from mos.timing import phase


@dataclass(frozen=True, kw_only=True)
class LandmarkImages:
    """The images of some splits at the size they are used in."""

    images: Tensor  # (n, ch, h, w) uint8
    points: Tensor  # (n, point_count, [xy]) float32 pixels of `images`, nan: unknown
    visible: Tensor  # (n, point_count) bool
    scale: Tensor  # (n, [xy]) float32 mm per pixel of `images`
    factor: Tensor  # (n, [xy]) float32 original pixels per pixel of `images`, see `to_original`
    offset: Tensor  # (n, [xy]) float32 original pixels cut off on the left and at the top
    cases: Sequence[LandmarkCase]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, kw_only=True)
class EvaluationDataset:
    """Images as they are stored, to predict and to score."""

    data: LandmarkImages
    device: torch.device

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, indices: Sequence[int], seeds: Sequence[int]) -> Mapping[str, Any]:
        """One batch on `device`.

        Returns:
            `image` (bs, ch, h, w) float32 0..1; `points` (bs, point_count, [xy]) float32 in its pixels, nan
            where unknown; `visible` (bs, point_count) bool: scored; `scale` (bs, [xy]) mm per pixel; `factor`
            and `offset` (bs, [xy]), with which `mos.data.points.to_original` maps back.
        """
        data, rows = self.data, list(indices)
        return {
            "image": data.images[rows].to(self.device).float().div_(255.0),
            "points": data.points[rows].to(self.device),
            "visible": data.visible[rows].to(self.device),
            "scale": data.scale[rows].to(self.device),
            "factor": data.factor[rows].to(self.device),
            "offset": data.offset[rows].to(self.device),
        }

    def describe(self, index: int) -> Mapping[str, str]:
        case = self.data.cases[index]
        return {"case": case.id, "patient": case.patient}


@dataclass(frozen=True, kw_only=True)
class TrainingDataset:
    """Images turned, scaled, shifted and changed in intensity, with their points."""

    data: LandmarkImages
    motion: Motion
    order: Sequence[int]  # of the points in a mirrored image
    device: torch.device

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, indices: Sequence[int], seeds: Sequence[int]) -> Mapping[str, Any]:
        """One batch on `device`; each sample comes from its seed alone.

        Returns:
            `image` (bs, ch, h, w) float32, 0..1 but for intensity augmentation; `points` (bs, point_count,
            [xy]) float32 in its pixels, nan where unknown; `visible` (bs, point_count) bool: known and on
            the moved image; `scale` (bs, [xy]) mm per pixel of the moved image.
        """
        data, rows = self.data, list(indices)
        with phase("augmentation"):
            scales = data.scale[rows]
            size = tuple(data.images.shape[-2:])
            draws = [
                draw_motion(seed, self.motion, size, scale)
                for seed, scale in zip(seeds, scales.tolist(), strict=True)
            ]
            moved = move_batch(
                data.images[rows].to(self.device),
                data.points[rows],
                data.visible[rows],
                scales,
                draws,
                seeds,
                self.order,
                self.motion.bend,
            )
        return {
            "image": moved.image,
            "points": moved.points,
            "visible": moved.visible,
            "scale": moved.scale,
        }

    def describe(self, index: int) -> Mapping[str, str]:
        case = self.data.cases[index]
        return {"case": case.id, "patient": case.patient}


def training_dataset(
    bundle: LandmarkBundle,
    *,
    image_size: Sequence[int] | None,
    motion: Motion,
    device: torch.device,
    splits: Sequence[str] = ("train",),
) -> TrainingDataset:
    """What a run trains on.

    Args:
        image_size: (h, w) to train on; None: as stored.
        splits: `("train",)`, or all of SPLITS where a run trains on everything.

    Raises:
        BadInput: no image, or none with a visible point.
    """
    data = read_images(bundle, splits, image_size)
    if not len(data):
        raise BadInput(
            f"{bundle.path}: {' and '.join(splits)} hold no image, there is nothing to train on"
        )
    if not data.visible.any():
        raise BadInput(f"{bundle.path}: no point of the training images is visible; build it again")
    return TrainingDataset(
        data=data,
        motion=motion,
        order=swap_order(len(bundle.names), bundle.swap),
        device=device,
    )


def evaluation_dataset(
    bundle: LandmarkBundle,
    split: str,
    *,
    image_size: Sequence[int] | None,
    device: torch.device,
) -> EvaluationDataset:
    """The images of one split, unchanged but for their size."""
    return EvaluationDataset(data=read_images(bundle, (split,), image_size), device=device)


def read_images(
    bundle: LandmarkBundle, splits: Sequence[str], image_size: Sequence[int] | None
) -> LandmarkImages:
    """The images of some splits one behind the other, resized with their points where asked for.

    Aspect is kept; what is left of the new size, at the right or at the bottom, is 0.

    Raises:
        BadInput: a size below 16 pixels.
    """
    if unknown := sorted(set(splits) - set(SPLITS)):
        raise ValueError(f"no split {unknown[0]!r}")
    if image_size is not None and (len(image_size) != 2 or min(image_size) < 16):
        raise BadInput(
            f"--dataset_image_size {','.join(map(str, image_size))}: needs h,w of at least 16 pixels, such as 256,208"
        )
    cases = [case for split in splits for case in bundle.cases[split]]

    def joined(parts: Mapping[str, Tensor]) -> Tensor:
        # One split stays mapped: its pixels are read when they are used.
        return parts[splits[0]] if len(splits) == 1 else torch.cat([parts[s] for s in splits])

    images, points, scale = joined(bundle.images), joined(bundle.points), joined(bundle.scale)
    ratio = torch.ones(2, dtype=torch.float64)
    if image_size is not None and tuple(image_size) != bundle.size:
        images, ratio = resize_images(images, image_size)
        points = ((points.double() + 0.5) / ratio - 0.5).float()
    factor = torch.tensor([case.factor for case in cases], dtype=torch.float64).reshape(-1, 2)
    return LandmarkImages(
        images=images,
        points=points,
        visible=joined(bundle.visible),
        scale=(scale.double() * ratio).float(),
        factor=(factor * ratio).float(),
        offset=torch.tensor([case.offset for case in cases], dtype=torch.float32).reshape(-1, 2),
        cases=cases,
    )


def resize_images(images: Tensor, image_size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Images (n, ch, h, w) uint8 at a new size (h, w), and old pixels per new one along [xy] (float64).

    Aspect is kept; what is left, at the right or at the bottom, is 0.
    """
    old_h, old_w = images.shape[-2:]
    h, w = image_size
    times = max(old_h / h, old_w / w)
    inner_h, inner_w = (max(1, round(old / times)) for old in (old_h, old_w))
    resized = torch.zeros((*images.shape[:2], h, w), dtype=torch.uint8)
    for row, image in enumerate(images):  # one at a time: as floats all of them may not fit
        small = F.interpolate(
            image[None].float(), (inner_h, inner_w), mode="bilinear", antialias=True
        )
        resized[row, :, :inner_h, :inner_w] = small[0].round_().clamp_(0, 255).byte()
    return resized, torch.tensor([old_w / inner_w, old_h / inner_h], dtype=torch.float64)
