"""The scanners of the phantom worlds: contrast, resolution, coil, noise, breathing."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mos.data.phantom_anatomy import PHASES, make_body
from mos.data.phantom_chest import draw_chest
from mos.data.phantom_heart import draw_heart, heart_reach, place_heart
from mos.data.phantom_random import Draw, smooth_noise

_FINE = 2  # in-plane points per voxel and direction
_PARTS = (-1 / 3, 0.0, 1 / 3)  # heights within the slice thickness that are averaged


@dataclass(frozen=True, kw_only=True)
class World:
    """A hospital: its scanner and protocol. Ranges are (low, high), drawn per volume."""

    shape: tuple[int, int, int]  # d, h, w
    spacing: tuple[float, float, float]  # mm
    thickness: float  # of a slice, mm
    signal: Mapping[str, float]  # tissue -> signal; fat is negative where it opposes water
    variation: float  # standard deviation of each tissue's signal, as a fraction
    noise: tuple[float, float]  # standard deviation in each of the two channels
    shading: tuple[float, float]  # coil: relative change of the signal over 100 mm
    blur: tuple[float, float]  # weight of a voxel's neighbour in each direction
    breathing: float  # in-plane shift of a slice, standard deviation in mm
    offcentre: float = 1.0  # 0 puts the heart in the middle, as a crop by hand does


def scan(
    patient: str,
    volume: str,
    world: World,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Makes one volume of a patient.

    Returns:
        Signal (d, h, w) int16 in thousandths, zero or more, and labels (d, h, w) uint8.
    """
    body = make_body(patient)
    reach = heart_reach(body)
    draw = Draw(patient, volume)
    contraction = PHASES[volume]
    signal = {
        tissue: value * max(draw.normal(1, world.variation), 0.5)
        for tissue, value in world.signal.items()
    }
    noise, blur = draw.uniform(*world.noise), draw.uniform(*world.blur)
    shifts = world.breathing * draw.normals(shape[0], 2)
    gains = 1 + 0.04 * draw.normals(shape[0])
    z, y, x = (_positions(n, step) for n, step in zip(shape, spacing))
    fine_y, fine_x = (
        _positions(n * _FINE, step / _FINE) for n, step in zip(shape[1:], spacing[1:])
    )
    coil = _coil(draw, world, z, y, x)
    grains = draw.normals(2, *shape) * np.float32(noise)

    image = np.empty(shape, np.float32)
    segment = np.empty(shape, np.uint8)
    for k, height in enumerate(float(value) for value in z):
        middle = [
            world.offcentre * body.centre[i] + body.lean[i] * height + float(shifts[k, i])
            for i in (0, 1)
        ]
        rows, columns = _near(fine_y, middle[0], *reach[:2]), _near(fine_x, middle[1], *reach[2:])
        place = place_heart(
            body,
            contraction,
            height,
            fine_y[rows] - np.float32(middle[0]),
            fine_x[columns] - np.float32(middle[1]),
        )
        around = draw_chest(body, signal, height, y, x)
        around = np.repeat(np.repeat(around, _FINE, 0), _FINE, 1)
        total, counts = np.zeros_like(around), np.zeros((5, *shape[1:]), np.uint8)
        for part in _PARTS:
            thin, labels = around.copy(), np.zeros(around.shape, np.uint8)
            low = height + part * world.thickness
            inside = (thin[rows, columns], labels[rows, columns])
            draw_heart(body, signal, contraction, low, place, *inside)
            total += thin
            for label in range(5):
                counts[label] += _pool((labels == label).astype(np.uint8))
        # Each voxel is what most of its points are; a tie goes to the lower id.
        segment[k] = counts.argmax(0)
        mean = _blur(_pool(total) / np.float32(_FINE**2 * len(_PARTS)), blur)
        mean = mean * coil[k] * gains[k]
        # Magnitude of a complex signal with normal noise in both parts (Gudbjartsson & Patz 1995).
        real, imaginary = mean + grains[0, k], grains[1, k]
        image[k] = np.sqrt(real * real + imaginary * imaginary)
    return np.rint(image * 1000).astype(np.int16), segment


def _positions(count: int, step: float) -> np.ndarray:
    """Voxel centres in mm, 0 in the middle."""
    return ((np.arange(count) - (count - 1) / 2) * step).astype(np.float32)


def _near(grid: np.ndarray, centre: float, before: float, after: float) -> slice:
    first, last = np.searchsorted(grid, (np.float32(centre - before), np.float32(centre + after)))
    return slice(int(first), int(last))


def _pool(fine: np.ndarray) -> np.ndarray:
    """Sums blocks of fine points, in a fixed order."""
    rows = sum(fine[i::_FINE] for i in range(_FINE))
    return sum(rows[:, i::_FINE] for i in range(_FINE))


def _blur(picture: np.ndarray, weight: float) -> np.ndarray:
    for axis in (0, 1):
        before, after = np.roll(picture, 1, axis), np.roll(picture, -1, axis)
        picture = picture * (1 - 2 * weight) + (before + after) * weight
    return picture


def _coil(draw: Draw, world: World, z, y, x) -> np.ndarray:
    """Sensitivity of the receive coil (d, h, w): stronger at the front, with smooth irregularity."""
    front, side = draw.uniform(*world.shading), draw.uniform(-0.15, 0.15)
    lattice = draw.normals(8, 8, 8)
    uneven = smooth_noise(lattice, 95.0, z, y, x)
    slope = 1 - front * y[:, None] / 100 + side * x[None, :] / 100
    return np.maximum(slope + 0.08 * uneven, np.float32(0.25)).astype(np.float32)


def to_uint8(image: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Maps values to 0..255 between their 0.5th and 99.5th percentile, as the builder does.

    Returns:
        uint8 of the same shape, and (low, high), the values that became 0 and 255.
    """
    low, high = (float(value) for value in np.percentile(image, (0.5, 99.5)))
    scaled = (image - np.float32(low)) * np.float32(255 / max(high - low, 1.0))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8), (low, high)
