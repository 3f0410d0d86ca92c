"""What chance decides for one training sample: window, geometry, intensity. One seed, one sample."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Slices this much thicker than pixels make rotation out of the plane a blur of slices, not a view.
ANISOTROPIC = 3.0
ROTATION_IN_PLANE, ROTATION_OUT_OF_PLANE = math.radians(30), math.radians(15)
SCALE = (0.8, 1.25)


@dataclass(frozen=True)
class Draw:
    """One sample's fate.

    Attributes:
        centre: window centre in stored voxels, one number per axis of (d, h, w) or (h, w).
        matrix: (dims, dims): from an offset in the crop to an offset in the stored grid, in voxels.
        contrast, brightness, gamma: intensity is ((x - mean) * contrast + mean + brightness) ** gamma.
        noise: standard deviation of Gaussian noise, in units of the full range.
        blur: standard deviation of an in-plane Gaussian, in pixels; 0 is none.
    """

    centre: np.ndarray
    matrix: np.ndarray
    contrast: float = 1.0
    brightness: float = 0.0
    gamma: float = 1.0
    noise: float = 0.0
    blur: float = 0.0

    @property
    def moves_grid(self) -> bool:
        """Whether the crop is anything but a block of stored voxels."""
        return not np.array_equal(self.matrix, np.eye(len(self.matrix)))


def draw_sample(
    seed: int,
    *,
    level: int,
    box: Sequence[tuple[int, int]],
    crop_size: Sequence[int],
    spacing: Sequence[float],
    deep_maxscale: int = 1,
    flip_axes: str = "hw",
    turned_share: float = 0.5,
) -> Draw:
    """Draws one sample; the same arguments give the same sample on every machine.

    Args:
        level: 0 centre crop; 1 random crop; 2 and flips, rotation and scaling; 3 and contrast,
            brightness, gamma, noise and blur.
        box: half-open part of the stored grid that is image, per axis of the crop.
        crop_size: (d, h, w) or (h, w) voxels.
        spacing: mm per voxel along the axes of the crop.
        deep_maxscale: (d, h, w) crops take every s-th slice, s drawn from 1 .. this.
        flip_axes: axes that may be mirrored, letters out of d, h, w.
        turned_share: share of the samples that are rotated and scaled. The rest keep their voxels:
            interpolation blurs images, and a network that never sees a sharp one underfits those it
            is scored on.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    dims = len(crop_size)
    stride = 1
    if dims == 3 and deep_maxscale > 1:
        depth = box[0][1] - box[0][0]
        most = max(1, (depth - 1) // max(1, crop_size[0] - 1))
        stride = int(random.integers(1, min(deep_maxscale, most) + 1))
    # From the first kept slice to the last: the slices after the last one need not be there.
    extent = [(crop_size[0] - 1) * stride + 1, *crop_size[1:]] if dims == 3 else list(crop_size)
    centre = np.array(
        [_centre(random, level, one, size) for one, size in zip(box, extent, strict=True)]
    )
    matrix = _geometry(random, spacing, flip_axes, turned_share) if level >= 2 else np.eye(dims)
    if dims == 3:
        matrix[:, 0] *= stride
    if level < 3:
        return Draw(centre, matrix)
    return Draw(centre, matrix, **draw_intensity(random))


def draw_intensity(random: np.random.Generator) -> dict[str, float]:
    """Contrast, brightness, gamma, noise and blur of one sample, as `Draw` takes them."""
    return {
        "contrast": _maybe(random, 0.3, 0.7, 1.4, 1.0),
        "brightness": _maybe(random, 0.3, -0.1, 0.1, 0.0),
        "gamma": _maybe(random, 0.3, 0.7, 1.5, 1.0),
        "noise": _maybe(random, 0.15, 0.0, 0.06, 0.0),
        "blur": _maybe(random, 0.1, 0.4, 1.0, 0.0),
    }


def _centre(random: np.random.Generator, level: int, span: tuple[int, int], size: int) -> float:
    """A window centre along one axis: the middle, or such that the window stays on the image."""
    start, stop = span
    if level == 0 or stop - start <= size:
        # An odd remainder leaves the extra voxel at the end, as a slice [start : start + size] does.
        return start + (stop - start - size) // 2 + (size - 1) / 2
    return int(random.integers(start, stop - size + 1)) + (size - 1) / 2


def _maybe(
    random: np.random.Generator, chance: float, low: float, high: float, off: float
) -> float:
    value = float(random.uniform(low, high))
    return value if random.random() < chance else off


def _geometry(
    random: np.random.Generator, spacing: Sequence[float], flip_axes: str, turned_share: float
) -> np.ndarray:
    """Flips, rotation and scaling as a matrix in voxels; rotation is rigid in millimetres."""
    dims = len(spacing)
    mm = np.diag(np.asarray(spacing, dtype=float))
    flat = dims == 3 and spacing[0] > ANISOTROPIC * min(spacing[1:])
    matrix, scales = np.eye(dims), np.ones(dims)
    if random.random() < turned_share:
        planes = [(dims - 2, dims - 1)] if dims == 2 or flat else [(1, 2), (0, 1), (0, 2)]
        for first, second in planes:
            in_plane = (first, second) == (dims - 2, dims - 1)
            most = ROTATION_IN_PLANE if in_plane else ROTATION_OUT_OF_PLANE
            angle = random.uniform(-most, most)
            turn = np.eye(dims)
            turn[first, first] = turn[second, second] = math.cos(angle)
            turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
            matrix = matrix @ turn
        scales *= math.exp(random.uniform(math.log(SCALE[0]), math.log(SCALE[1])))
    may_flip = np.array([axis in flip_axes for axis in "dhw"[-dims:]])
    flips = np.where((random.random(dims) < 0.5) & may_flip, -1.0, 1.0)
    if flat:
        scales[0] = 1.0
    return np.linalg.inv(mm) @ matrix @ mm @ np.diag(scales * flips)
