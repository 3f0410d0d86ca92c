"""Shapes of the phantom as signed distances in mm (negative inside), and painting them with soft edges."""

import numpy as np

Signal = dict[str, float]  # tissue -> signal


def polar(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Radius, and cos and sin of 1, 2, 3 times the angle, by addition theorems."""
    radius = np.sqrt(u * u + v * v + np.float32(1e-3))
    c, s = u / radius, v / radius
    c2, s2 = 2 * c * c - 1, 2 * s * c
    return radius, (c, s, c2, s2, c2 * c - s2 * s, s2 * c + c2 * s)


def wave(amplitudes: np.ndarray, waves) -> np.ndarray:
    """Sum of `waves`, as `polar` gives them, each with its amplitude."""
    total = amplitudes[0] * waves[0]
    for amplitude, wave in zip(amplitudes[1:], waves[1:]):
        total = total + amplitude * wave
    return total


def ellipse(y, x, middle_y, middle_x, half_y, half_x) -> np.ndarray:
    """Distance along the ray to an upright ellipse, mm."""
    dy, dx = y - np.float32(middle_y), x - np.float32(middle_x)
    away = np.sqrt(dy * dy + dx * dx + np.float32(1e-3))
    half_y, half_x = (np.float32(max(float(half), 1.0)) for half in (half_y, half_x))
    scaled = np.sqrt((dy / half_y) ** 2 + (dx / half_x) ** 2) + np.float32(1e-3)
    return away - away / scaled


def ring(u, v, middle_u, middle_v, size) -> np.ndarray:
    """Distance to a circle, mm."""
    du, dv = u - np.float32(middle_u), v - np.float32(middle_v)
    return np.sqrt(du * du + dv * dv) - size


def smooth_min(a: np.ndarray, b: np.ndarray, reach: float) -> np.ndarray:
    """Minimum whose corner is filled over `reach` mm (Quilez 2013, polynomial smooth minimum)."""
    mix = np.clip(0.5 + 0.5 * (b - a) / reach, 0, 1)
    return b + (a - b) * mix - reach * mix * (1 - mix)


def paint(picture: np.ndarray, distance: np.ndarray, value, soft: float) -> None:
    """Covers the inside of a shape, in place; the edge is `soft` mm wide."""
    picture += (value - picture) * np.clip(0.5 - distance / soft, 0, 1)
