"""Made-up label maps for timing metrics: smooth organs, and predictions that are a little off."""

import numpy as np

# Size (d, h, w), labels, radius as a share of the size, mm per voxel, far specks per label.
CASES = {
    "16x128x128": ((16, 128, 128), 3, 0.16, (10.0, 1.5, 1.5), 0),
    "35x51x35": ((35, 51, 35), 2, 0.2, (1.0, 1.0, 1.0), 0),
    "128x192x160": ((128, 192, 160), 3, 0.18, (1.0, 1.0, 1.0), 0),
    "128x192x160, far false positives": ((128, 192, 160), 3, 0.18, (1.0, 1.0, 1.0), 4),
    "256x256x256, one large organ": ((256, 256, 256), 1, 0.3, (2.5, 0.8, 0.8), 0),
    "256x256x256, 36 labels": ((256, 256, 256), 36, 0.07, (1.5, 1.5, 1.5), 0),
}
Maps = tuple[np.ndarray, np.ndarray, tuple[float, float, float]]


def maps(name: str) -> Maps:
    """Prediction and reference, (d, h, w) uint8, and the spacing in mm of a case."""
    shape, labels, radius, spacing, specks = CASES[name]
    random = np.random.default_rng(list(CASES).index(name))
    prediction, reference = np.zeros((2, *shape), np.uint8)
    for label in range(1, labels + 1):
        radii = np.array(shape) * radius * random.uniform(0.7, 1.3, 3)
        centre = random.uniform(radii, shape - radii)
        _draw(reference, prediction, label, centre, radii, random)
        for corner in (random.uniform(0, 1, (specks, 3)) * (np.array(shape) - 2)).astype(int):
            prediction[tuple(slice(c, c + 2) for c in corner)] = label
    return prediction, reference, spacing


def _draw(reference, prediction, label, centre, radii, random) -> None:
    """An ellipsoid with bumps, and the same one moved by up to two voxels with other bumps on it."""
    low = np.maximum(0, centre - 1.6 * radii - 3).astype(int)
    high = np.minimum(reference.shape, centre + 1.6 * radii + 4).astype(int)
    window = tuple(map(slice, low, high))
    grid = np.ogrid[window]
    moved = centre + random.uniform(-2, 2, 3) * np.minimum(1, np.array(reference.shape) / 64)
    shared, own = (_bumps(high - low, random) for _ in range(2))
    squares = [
        sum(((x - c) / r) ** 2 for x, c, r in zip(grid, at, radii)) for at in (centre, moved)
    ]
    reference[window][squares[0] + 0.12 * shared < 1] = label
    prediction[window][squares[1] + 0.12 * shared + 0.06 * own < 1] = label


def _bumps(size: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Smooth noise of about unit deviation, with waves as long as a sixth of the window."""
    coarse = random.standard_normal(np.maximum(2, -(-size // 6)))
    for axis, length in enumerate(size):
        knots = np.linspace(0, length - 1, coarse.shape[axis])
        weights = np.array([np.interp(np.arange(length), knots, one) for one in np.eye(len(knots))])
        coarse = np.moveaxis(np.tensordot(coarse, weights, (axis, 0)), -1, axis)
    return coarse
