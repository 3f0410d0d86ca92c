"""Turns, scales and shifts whole batches of images together with their points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mos.data.augment import change_intensity, sampling_grid
from mos.data.draw import Draw, draw_intensity
from mos.data.points import on_image
from mos.timing import phase

KNOTS = 5  # of an elastic deformation, along each axis
_ROUNDS = 8


@dataclass(frozen=True, kw_only=True)
class Motion:
    """How far chance may move an image.

    Attributes:
        level: 0 not at all; 1 shift; 2 and rotation, scale and, where asked for, flip; 3 and contrast,
            brightness, gamma, noise and blur.
        rotation: degrees to either side.
        scale: smallest and largest magnification.
        shift: to either side, as a share of the image's height and width.
        flip: mirror left and right in half of the samples.
        bend: elastic deformation: how far, at most and as a share of the longer side, the knots of a 5 x 5
            grid over the image move along each axis; between them it bends smoothly.
        turned_share: share of the samples that are rotated, scaled and bent. The rest keep their pixels:
            interpolation blurs, and a network has to see images as sharp as those it is scored on.
    """

    level: int = 3
    rotation: float = 15.0
    scale: tuple[float, float] = (0.85, 1.18)
    shift: float = 0.05
    flip: bool = False
    bend: float = 0.0
    turned_share: float = 0.8


@dataclass(frozen=True, kw_only=True)
class PointBatch:
    """Images and their points."""

    image: Tensor  # (bs, ch, h, w) float32, 0..1 before intensity augmentation
    points: Tensor  # (bs, point_count, [xy]) float32 pixels of `image`, nan: unknown
    visible: Tensor  # (bs, point_count) bool
    scale: Tensor  # (bs, [xy]) float32 mm per pixel of `image`


def draw_motion(seed: int, motion: Motion, size: Sequence[int], scale: Sequence[float]) -> Draw:
    """Draws one sample; the same arguments give the same sample on every machine.

    Args:
        size: (h, w) of the image.
        scale: mm per pixel along (x, y); rotation is rigid in mm.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    centre, matrix = (np.asarray(size) - 1) / 2, np.eye(2)
    if motion.level >= 1:
        # Whole pixels, so that an image that is only shifted keeps its own.
        centre = centre + np.rint(random.uniform(-motion.shift, motion.shift, 2) * size)
    if motion.level >= 2:
        turned = random.random() < motion.turned_share
        angle = math.radians(random.uniform(-motion.rotation, motion.rotation))
        low, high = map(math.log, motion.scale)
        magnified = math.exp(random.uniform(low, high))
        mirrored = random.random() < 0.5 and motion.flip
        if turned:
            cosine, sine = math.cos(angle), math.sin(angle)
            pixel = np.diag([scale[1], scale[0]])  # mm along (h, w)
            turn = np.array([[cosine, -sine], [sine, cosine]])
            matrix = np.linalg.inv(pixel) @ turn @ pixel / magnified
        if mirrored:
            matrix = matrix @ np.diag([1.0, -1.0])
    if motion.level < 3:
        return Draw(centre, matrix)
    return Draw(centre, matrix, **draw_intensity(random))


def move_batch(
    images: Tensor,
    points: Tensor,
    visible: Tensor,
    scale: Tensor,
    draws: Sequence[Draw],
    seeds: Sequence[int],
    order: Sequence[int],
    bend: float = 0.0,
) -> PointBatch:
    """Applies one draw per sample. What lies beyond an image's edge is 0.

    A point that leaves the image is no longer visible; one that is not visible never becomes so.

    Args:
        images: (bs, ch, h, w) uint8; the result is on its device and has its size.
        points: (bs, point_count, [xy]) float32 pixels, nan: unknown.
        visible: (bs, point_count) bool.
        scale: (bs, [xy]) mm per pixel.
        seeds: of noise and bends, one per sample.
        order: the point that takes the place of each in a mirrored image, see `swap_order`.
        bend: see `Motion`; of the samples that are turned.
    """
    size = tuple(images.shape[-2:])
    matrices = np.stack([draw.matrix for draw in draws])
    centres = np.stack([draw.centre for draw in draws])
    device = images.device
    field = bend_field(matrices, seeds, size, bend).to(device) if bend else None
    with phase("data"):
        image = _moved(images.float(), matrices, centres, field)
    image = change_intensity(image.div_(255.0), draws, seeds)
    points = move_points(points.to(device), matrices, centres, size, field)
    visible = visible.to(device)
    mirrored = np.linalg.det(matrices) < 0
    if mirrored.any():
        swapped = torch.from_numpy(mirrored).to(device)
        points = torch.where(swapped[:, None, None], points[:, order], points)
        visible = torch.where(swapped[:, None], visible[:, order], visible)
    zoom = torch.from_numpy(np.sqrt(np.abs(np.linalg.det(matrices)))).float().to(device)
    return PointBatch(
        image=image,
        points=points,
        visible=visible & on_image(points, size),
        scale=scale.to(device) * zoom[:, None],
    )


def bend_field(
    matrices: np.ndarray, seeds: Sequence[int], size: Sequence[int], bend: float
) -> Tensor:
    """How much further each pixel of the moved images looks into the stored ones; 0 for those not turned.

    Returns:
        (bs, [hw], h, w) float32 pixels.
    """
    knots = np.zeros((len(seeds), 2, KNOTS, KNOTS), np.float32)
    for row, (matrix, seed) in enumerate(zip(matrices, seeds, strict=True)):
        if not np.array_equal(np.abs(matrix), np.eye(2)):
            random = np.random.Generator(np.random.PCG64([seed, 1]))
            knots[row] = random.uniform(-1, 1, knots.shape[1:]) * bend * max(size)
    return F.interpolate(torch.from_numpy(knots), tuple(size), mode="bicubic", align_corners=True)


def move_points(
    points: Tensor,
    matrices: np.ndarray,
    centres: np.ndarray,
    size: Sequence[int],
    field: Tensor | None = None,
) -> Tensor:
    """Where points of the stored images lie in the moved ones.

    Args:
        points: (bs, point_count, [xy]).
        matrices, centres: of the draws, (bs, [hw], [hw]) and (bs, [hw]).
        size: (h, w) of the moved images.
        field: of `bend_field`.

    Returns:
        (bs, point_count, [xy]) float32.
    """
    # An offset o in the moved image shows the stored place centre + matrix o (+ field); all in (h, w).
    back = torch.from_numpy(np.linalg.inv(matrices)).to(points.device)
    from_centre = points.double().flip(-1) - torch.from_numpy(centres).to(points.device)[:, None]
    middle = (torch.tensor(size, dtype=torch.float64, device=points.device) - 1) / 2
    moved = torch.einsum("bij,bpj->bpi", back, from_centre) + middle
    if field is None:
        return moved.flip(-1).float()
    # The field is known where the point ends up, which is what is looked for: each round is several times
    # closer, because the field changes by much less than a pixel from one pixel to the next.
    for _ in range(_ROUNDS):
        at = (moved / middle - 1).flip(-1)[:, :, None].float()
        bent = F.grid_sample(field, at, align_corners=True, padding_mode="border")[..., 0]
        moved = torch.einsum("bij,bpj->bpi", back, from_centre - bent.mT.double()) + middle
    return moved.flip(-1).float()


def _moved(
    image: Tensor, matrices: np.ndarray, centres: np.ndarray, field: Tensor | None
) -> Tensor:
    """The batch seen through its draws; images that keep their pixels are copied, not interpolated."""
    size = np.asarray(image.shape[-2:])
    middle = (size - 1) / 2
    still = (matrices == np.eye(2)).all(axis=(1, 2)) & (centres == middle).all(axis=1)
    if still.all():
        return image
    grid = sampling_grid(matrices, centres, size, size, image.device)
    if field is not None:
        span = torch.from_numpy((size - 1) / 2).float().to(field.device)
        grid = grid + (field / span[:, None, None]).flip(1).permute(0, 2, 3, 1)
    return F.grid_sample(image, grid, mode="bilinear", align_corners=True)
