"""Crops and augmentation of whole batches as tensor operations."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mos.data.draw import Draw
from mos.timing import phase

Row = int | tuple[int, int]
T = TypeVar("T")


def make_batch(
    volumes: Tensor,
    rows: Sequence[Row],
    draws: Sequence[Draw],
    seeds: Sequence[int],
    crop_size: Sequence[int],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Cuts and augments one batch.

    Args:
        volumes: (n, ch + 1, d, h, w) or (n, ch + 1, h, w) uint8, segmentation last.
        rows: the volumes of this batch, or (volume, slice) for 2-D crops of 3-D volumes; draws and
            seeds: one per row.
        crop_size: (d, h, w) or (h, w).

    Returns:
        image (bs, ch, *crop_size) float32, 0..1 before intensity augmentation, and segment
        (bs, *crop_size) int64, both on `device`.
    """
    draws = [_pushed_inwards(draw, crop_size, volumes.shape[-len(crop_size) :]) for draw in draws]
    # What is neither turned nor scaled keeps its voxels: they are copied, several times faster.
    turned = [number for number, draw in enumerate(draws) if not _keeps_voxels(draw)]
    if len(turned) == len(draws):
        image, segment = _resample(volumes, rows, draws, crop_size, device)
        return change_intensity(image.div_(255.0), draws, seeds), segment
    copied = sorted(set(range(len(draws))) - set(turned))
    with phase("data"):
        block = _copy(volumes, _of(rows, copied), _of(draws, copied), crop_size).to(device)
    image, segment = block[:, :-1].float(), block[:, -1].long()
    if turned:
        some = _resample(volumes, _of(rows, turned), _of(draws, turned), crop_size, device)
        back = torch.tensor(copied + turned).argsort().to(device)
        image = torch.cat([image, some[0]]).index_select(0, back)
        segment = torch.cat([segment, some[1]]).index_select(0, back)
    return change_intensity(image.div_(255.0), draws, seeds), segment


def _of(values: Sequence[T], places: Sequence[int]) -> list[T]:
    return [values[place] for place in places]


def _keeps_voxels(draw: Draw) -> bool:
    """Whether a crop is a block of stored voxels, perhaps mirrored."""
    return np.array_equal(np.abs(draw.matrix), np.eye(len(draw.matrix)))


def _copy(
    volumes: Tensor, rows: Sequence[Row], draws: Sequence[Draw], crop_size: Sequence[int]
) -> Tensor:
    """The blocks of crops that keep their voxels, mirrored where they are; (bs, ch + 1, *crop_size)."""
    half = (np.asarray(crop_size) - 1) / 2
    starts = [np.rint(draw.centre - half).astype(int).tolist() for draw in draws]
    mirrored = [[1 + axis for axis in np.flatnonzero(np.diag(d.matrix) < 0)] for d in draws]
    return _blocks(volumes, rows, starts, crop_size, mirrored)


def _pushed_inwards(draw: Draw, crop_size: Sequence[int], shape: Sequence[int]) -> Draw:
    """The draw with its window on the stored grid, also where the image is smaller than the window.

    Done for every sample alike, so that none depends on what else is in its batch.
    """
    half = (np.asarray(crop_size) - 1) / 2
    return replace(draw, centre=np.clip(draw.centre, half, np.asarray(shape) - 1 - half))


def _blocks(
    volumes: Tensor,
    rows: Sequence[Row],
    starts: Sequence[Sequence[int]],
    size: Sequence[int],
    mirrored: Sequence[Sequence[int]] = (),
) -> Tensor:
    """Copies one block per row, (bs, ch + 1, *size) uint8; slice copies are twice as fast as a gather.

    Args:
        mirrored: axes of (ch + 1, *size) to mirror, per row; (): none anywhere.
    """
    batch = torch.empty(
        (len(rows), volumes.shape[1], *size), dtype=torch.uint8, device=volumes.device
    )
    for number, (row, start) in enumerate(zip(rows, starts, strict=True)):
        window = tuple(slice(a, a + b) for a, b in zip(start, size, strict=True))
        volume, *index = (row,) if isinstance(row, int) else row
        block = volumes[(volume, slice(None), *index, *window)]
        batch[number] = block.flip(axes) if (axes := mirrored and mirrored[number]) else block
    return batch


def _resample(
    volumes: Tensor,
    rows: Sequence[Row],
    draws: Sequence[Draw],
    crop_size: Sequence[int],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """One grid_sample over the batch, from blocks just large enough to hold every turned crop.

    Voxels outside the volume are 0 in image and segment, like the padding of a dataset file.
    """
    shape = volumes.shape[-len(crop_size) :]
    half = (np.asarray(crop_size) - 1) / 2
    reach = np.stack([np.abs(draw.matrix) @ half for draw in draws])
    centres = np.stack([draw.centre for draw in draws])
    size = np.minimum(np.ceil(2 * reach.max(0)).astype(int) + 3, shape)
    starts = np.clip(np.floor(centres - size / 2).astype(int) + 1, 0, np.asarray(shape) - size)
    with phase("data"):
        block = _blocks(volumes, rows, starts.tolist(), size.tolist()).to(device)
    matrices = np.stack([draw.matrix for draw in draws])
    if len(crop_size) == 3 and _is_flat(matrices) and size[0] >= crop_size[0]:
        # Nothing leaves its slice: slices become channels of a 2-D problem, several times faster.
        block = _pick_slices(
            block, centres[:, 0] - starts[:, 0], matrices[:, 0, 0], int(crop_size[0])
        )
        grid = sampling_grid(
            matrices[:, 1:, 1:], centres[:, 1:] - starts[:, 1:], crop_size[1:], size[1:], device
        )
        bs, ch, d, h, w = block.shape
        image = block[:, :-1].reshape(bs, (ch - 1) * d, h, w).float()
        image = F.grid_sample(image, grid, mode="bilinear", align_corners=True)
        segment = F.grid_sample(block[:, -1].float(), grid, mode="nearest", align_corners=True)
        return image.reshape(bs, ch - 1, *crop_size), segment.long()
    grid = sampling_grid(matrices, centres - starts, crop_size, size, device)
    image = F.grid_sample(block[:, :-1].float(), grid, mode="bilinear", align_corners=True)
    segment = F.grid_sample(block[:, -1:].float(), grid, mode="nearest", align_corners=True)
    return image, segment[:, 0].long()


def _is_flat(matrices: np.ndarray) -> bool:
    """Whether every crop is made of whole stored slices, none tilted and none between two."""
    strides = matrices[:, 0, 0]
    tilted = matrices[:, 0, 1:].any() or matrices[:, 1:, 0].any()
    return not tilted and np.allclose(strides, np.rint(strides), rtol=0, atol=1e-9)


def _pick_slices(block: Tensor, centres: np.ndarray, strides: np.ndarray, depth: int) -> Tensor:
    """Every stride-th slice around each centre, clamped to the block; (bs, ch + 1, depth, h, w)."""
    offsets = np.arange(depth) - (depth - 1) / 2
    wanted = np.rint(centres[:, None] + strides[:, None] * offsets).astype(int)
    inside = (wanted >= 0) & (wanted < block.shape[2])
    picked = [
        block[n, :, torch.from_numpy(np.clip(one, 0, block.shape[2] - 1))]
        for n, one in enumerate(wanted)
    ]
    batch = torch.stack(picked)
    if not inside.all():
        batch = batch * torch.from_numpy(inside).to(batch.device)[:, None, :, None, None]
    return batch


def sampling_grid(
    matrices: np.ndarray,
    centres: np.ndarray,
    crop_size: Sequence[int],
    size: np.ndarray,
    device: torch.device,
) -> Tensor:
    """Sampling positions for grid_sample, which counts (x, y, z) from -1 to 1 over a block."""
    # Position k of voxel (i, j, ..) is centre[k] + m[k, 0] i + m[k, 1] j + .., in units of half a block
    # from its middle: a sum of one line per axis. Each coordinate is a plane of its own, which is the
    # layout that grid_sample reads fastest.
    span = np.maximum(np.asarray(size) - 1, 1)
    scaled = matrices * 2 / span[:, None]
    middle = centres * 2 / span - 1
    dims = len(crop_size)
    grid = torch.empty((len(matrices), dims, *crop_size))
    for number in range(dims):  # of (d, h, w), which grid_sample wants as (x, y, z)
        total = torch.from_numpy(middle[:, number]).reshape(-1, *[1] * dims).float()
        for axis, count in enumerate(crop_size):
            line = scaled[:, number, axis, None] * (np.arange(count) - (count - 1) / 2)
            line = torch.from_numpy(line).float()
            last = axis == dims - 1
            total = torch.add(
                total,
                line.reshape(-1, *[count if axis == other else 1 for other in range(dims)]),
                out=grid[:, dims - 1 - number] if last else None,
            )
    return grid.movedim(1, -1).to(device)


def change_intensity(image: Tensor, draws: Sequence[Draw], seeds: Sequence[int]) -> Tensor:
    """Contrast, brightness, gamma, blur and noise, in place where that saves a copy."""

    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=image.device).reshape(
            -1, *[1] * (image.ndim - 1)
        )

    if any(draw.contrast != 1 or draw.brightness for draw in draws):
        mean = image.mean(dim=tuple(range(1, image.ndim)), keepdim=True)
        contrast = column([draw.contrast for draw in draws])
        image = image.mul_(contrast).add_(
            mean * (1 - contrast) + column([draw.brightness for draw in draws])
        )
    for number, draw in enumerate(draws):  # the rest concerns a part of the samples only
        if draw.gamma != 1:
            image[number].clamp_(min=0).pow_(draw.gamma)
        if draw.blur:
            image[number] = _blur(image[number], draw.blur)
        if draw.noise:
            chance = torch.Generator(device=image.device).manual_seed(seeds[number] % 2**63)
            noise = torch.randn(image[number].shape, generator=chance, device=image.device)
            image[number].add_(noise, alpha=draw.noise)
    return image


def _blur(image: Tensor, sigma: float) -> Tensor:
    """An in-plane Gaussian over (..., h, w)."""
    radius = max(1, math.ceil(2 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device=image.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    flat = image.reshape(-1, 1, *image.shape[-2:])
    flat = F.pad(flat, (radius, radius, radius, radius), mode="replicate")
    flat = F.conv2d(flat, kernel.reshape(1, 1, -1, 1))
    return F.conv2d(flat, kernel.reshape(1, 1, 1, -1)).reshape(image.shape)
