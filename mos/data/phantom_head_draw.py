"""Draws a phantom head as an X-ray: what lies one behind the other adds up, then film and noise."""

import numpy as np

from mos.data.phantom_head_shape import Skull, turned
from mos.data.phantom_random import Draw, smooth_noise

_FAR = np.float32(1e3)


def draw_head(draw: Draw, skull: Skull, tilt: float, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The exposed film, (h, w) uint8.

    Args:
        tilt: of the head, see `turned`.
        y, x: positions of the pixels in mm from the sella, (h,) and (w,).
    """
    pixel = float(y[1] - y[0])
    outlines = {name: turned(curve, tilt) for name, curve in skull.outlines.items()}
    points = {name: turned(point, tilt) for name, point in skull.points.items()}
    canvas = _Canvas(y, x, soft=1.3 * pixel)
    hard = draw.uniform(0.6, 1.15)  # how much more bone stops than flesh
    flesh = draw.uniform(0.85, 1.2)
    lattice = draw.normals(12, 12)

    depth = -canvas.signed(outlines["profile"])
    inside = np.clip(depth / np.float32(1.3 * pixel) + 0.5, 0, 1)
    thick = np.maximum(depth, 0)
    canvas.image += inside * np.float32(flesh) * (np.float32(0.10) + 0.42 * thick / (thick + 22))
    canvas.bone("skull", outlines, 0.10 * hard, 0.26 * hard, 4.5)
    canvas.blob(points["porion"] + (2, 5), (17, 11), 0.30 * hard)
    canvas.blob(points["nasion"] + (-9, -14), (6, 8), -0.14)
    canvas.stroke(outlines["base"], 2.4, 0.24 * hard)
    canvas.blob(points["orbitale"] + (2, 14), (15, 11), -0.12)
    canvas.stroke(outlines["orbit"], 2.2, 0.20 * hard)
    canvas.bone("maxilla", outlines, 0.10 * hard, 0.10 * hard, 1.8)
    canvas.stroke(outlines["palate"], 2.2, 0.22 * hard)
    airway = np.stack(
        [points["PNS"] + (-8, 2), points["PNS"] + (-14, 30), points["PNS"] + (-8, 62)]
    )
    canvas.stroke(airway, 9.0, -0.14)
    # Left and right lie a little apart, never quite behind each other; points are their middle.
    apart = draw.normals(2).astype(float) * (1.6, 1.1)
    for side in (apart, -apart):
        moved = {"jaw": outlines["jaw"] + side}
        canvas.bone("jaw", moved, 0.07 * hard, 0.11 * hard, 2.4)
    for number in range(4):
        canvas.bone(f"vertebra {number}", outlines, 0.14 * hard, 0.12 * hard, 2.0)
    for name, curve in outlines.items():
        if name.endswith("tooth") or "molar" in name:
            filled = draw.uniform() < 0.18
            canvas.bone(name, outlines, (0.5 if filled else 0.2) * hard, 0.06 * hard, 1.2)
    ear = points["porion"] + (0, 4.2)
    canvas.ring(ear, 4.2, 1.8, 0.16 * hard)
    canvas.blob(ear, (3.6, 3.6), -0.26 * hard)
    if draw.uniform() < 0.5:  # the rod that holds the head, near the ear and not quite in it
        canvas.blob(ear + (3 * draw.normal(), 3 * draw.normal()), (2.2, 2.2), 0.5)
    return _film(draw, canvas.image, lattice, y, x)


def _film(
    draw: Draw, stopped: np.ndarray, lattice: np.ndarray, y: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Shading, exposure, blur and grain, in bytes."""
    slope = draw.normals(2) * np.float32(0.0006)
    gain = 1 + slope[0] * y[:, None].astype(np.float32) + slope[1] * x[None].astype(np.float32)
    cloud = smooth_noise(lattice, 16.0, y, x) * np.float32(0.035)
    structure = smooth_noise(lattice.T, 5.0, y + 40, x) * np.float32(0.025)
    seen = np.maximum(stopped + (cloud + structure) * (stopped > 0.05), 0) * gain
    knee = np.float32(draw.uniform(0.6, 1.3))
    seen = (1 + knee) * seen / (seen + knee)  # dense parts saturate
    low, high = draw.uniform(0.02, 0.09), draw.uniform(0.72, 0.98)
    seen = np.float32(low) + np.float32(high - low) * seen
    side = np.float32(draw.uniform(0.06, 0.2))
    for axis in (0, 1):
        padded = np.pad(seen, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        before, after = (np.take(padded, range(s, s + seen.shape[axis]), axis) for s in (0, 2))
        seen = seen * (1 - 2 * side) + (before + after) * side
    grain = np.float32(draw.uniform(0.015, 0.05))
    seen = seen + grain * draw.normals(*seen.shape)
    return np.clip(np.rint(255 * seen), 0, 255).astype(np.uint8)


class _Canvas:
    """A picture that shapes are added to, in mm; only the part round a shape is computed."""

    def __init__(self, y: np.ndarray, x: np.ndarray, soft: float) -> None:
        self._y, self._x = y.astype(np.float32), x.astype(np.float32)
        self._soft = np.float32(soft)  # width of an edge
        self.image = np.zeros((len(y), len(x)), np.float32)

    def bone(self, name: str, outlines, inner: float, edge: float, thickness: float) -> None:
        """A filled outline with a rim of its own inside."""
        window, y, x = self._window(outlines[name], thickness)
        distance = _signed(outlines[name], y, x)
        rim = np.abs(distance + np.float32(thickness / 2)) - np.float32(thickness / 2)
        self.image[window] += np.float32(inner) * self._cover(distance)
        self.image[window] += np.float32(edge) * self._cover(rim)

    def stroke(self, curve: np.ndarray, width: float, value: float) -> None:
        """A line along an open curve."""
        window, y, x = self._window(curve, width)
        distance = np.sqrt(_squared(curve[:-1], curve[1:], y, x)) - np.float32(width / 2)
        self.image[window] += np.float32(value) * self._cover(distance)

    def blob(self, centre: np.ndarray, radii: tuple[float, float], value: float) -> None:
        """An ellipse with a soft rim; radii along (x, y)."""
        far = self._radius(centre, radii)
        self.image += np.float32(value) * np.clip((1 - far) * 3, 0, 1)

    def ring(self, centre: np.ndarray, radius: float, width: float, value: float) -> None:
        """A circle line."""
        far = self._radius(centre, (1.0, 1.0))
        band = np.abs(far - np.float32(radius)) - np.float32(width / 2)
        self.image += np.float32(value) * self._cover(band)

    def signed(self, curve: np.ndarray) -> np.ndarray:
        """Distance in mm from a closed curve over the whole picture, negative inside."""
        return _signed(curve, self._y, self._x)

    def _radius(self, centre: np.ndarray, radii: tuple[float, float]) -> np.ndarray:
        x = (self._x - np.float32(centre[0])) / np.float32(radii[0])
        y = (self._y - np.float32(centre[1])) / np.float32(radii[1])
        return np.sqrt((y * y)[:, None] + (x * x)[None])

    def _cover(self, distance: np.ndarray) -> np.ndarray:
        return np.clip(np.float32(0.5) - distance / self._soft, 0, 1)

    def _window(
        self, curve: np.ndarray, margin: float
    ) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
        margin = margin + 2 * float(self._soft)
        low, high = curve.min(axis=0) - margin, curve.max(axis=0) + margin
        rows = slice(*np.searchsorted(self._y, (low[1], high[1])))
        columns = slice(*np.searchsorted(self._x, (low[0], high[0])))
        return (rows, columns), self._y[rows], self._x[columns]


def _signed(curve: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distance from a closed curve (k, [xy]), negative inside; (h, w) float32 in mm."""
    start, end = curve, np.roll(curve, -1, axis=0)
    distance = np.sqrt(_squared(start, end, y, x))
    crossed = np.zeros(distance.shape, bool)
    for (ax, ay), (bx, by) in zip(start.astype(np.float32), end.astype(np.float32)):
        if ay == by:
            continue
        rows = (ay > y) != (by > y)
        at = ax + (y[rows] - ay) * (bx - ax) / (by - ay)
        crossed[rows] ^= x[None] < at[:, None]
    return np.where(crossed, -distance, distance)


def _squared(start: np.ndarray, end: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Squared distance to the nearest of the segments; (h, w) float32."""
    nearest = np.full((len(y), len(x)), _FAR * _FAR, np.float32)
    for (ax, ay), (bx, by) in zip(start.astype(np.float32), end.astype(np.float32)):
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        if length == 0:
            continue
        px, py = x - ax, y - ay
        part = ((py * dy)[:, None] + (px * dx)[None]) / length
        np.minimum(np.maximum(part, 0, out=part), 1, out=part)
        off_x, off_y = px[None] - part * dx, py[:, None] - part * dy
        np.minimum(nearest, off_x * off_x + off_y * off_y, out=nearest)
    return nearest
