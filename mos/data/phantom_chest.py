"""Draws what lies around the heart in one thin slice of a phantom body."""

import numpy as np

from mos.data.phantom_anatomy import Body
from mos.data.phantom_random import smooth_noise
from mos.data.phantom_shapes import Signal, ellipse, paint


def draw_chest(body: Body, signal: Signal, z: float, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What lies around the heart: lungs, chest wall, liver, stomach, spine, aorta.

    Args:
        z, y, x: positions in mm from the middle of the stack and of the picture; y (h,), x (w,).

    Returns:
        (h, w) float32 signal.
    """
    soft = float(y[1] - y[0]) * 1.5
    move = body.chest
    grain = smooth_noise(body.texture, 5.0, z, y, x)
    vessels = smooth_noise(body.texture, 11.0, z + 40, y, x)
    y0, x0 = y[:, None], x[None, :]
    out = signal["lung"] * (1 + 0.5 * grain)
    paint(out, (0.95 - vessels) * 5, signal["blood"] * 0.6, soft)

    # Organs under the diaphragm rise into the picture towards the apex (low z).
    dome = 0.22 * z
    bump = 4 * smooth_noise(body.texture, 30.0, z, y, x)
    liver = ellipse(y0, x0, 101 + dome + 5 * move[0], -56 + 6 * move[1], 80, 98) + bump
    paint(out, liver, signal["liver"] * (1 + 0.08 * grain), soft)
    paint(out, np.maximum(liver + 8, (0.9 - vessels) * 5), signal["blood"] * 0.75, soft)
    size = 34 + 5 * float(move[2]) - 0.3 * (z + 20)
    stomach = ellipse(y0, x0, 78 + dome + 5 * move[3], 62 + 8 * move[4], 0.7 * size, size) + bump
    paint(out, stomach, signal["muscle"], soft)
    paint(out, stomach + 4, signal["stomach"] * (1 + 0.25 * vessels), soft)
    level = y0 - (66 + dome + 8 * move[5])
    paint(out, np.maximum(stomach + 5, level), signal["air"], soft)

    spine_y, spine_x = 100 + 4 * float(move[6]), -42 + 8 * float(move[7])
    disc = ellipse(y0, x0, spine_y, spine_x, 19, 24) + 0.5 * bump
    paint(out, disc - 14, signal["muscle"] * (1 + 0.15 * grain), soft)
    paint(out, disc, signal["spine"] * (1 + 0.12 * grain), soft)
    paint(out, ellipse(y0, x0, spine_y, spine_x, 6, 7), signal["stomach"], soft)
    aorta = ellipse(y0, x0, 72 + 4 * move[8], -2 + 7 * move[9], 11 + move[10], 12 + move[10])
    paint(out, aorta - 1.8, signal["muscle"], soft)
    paint(out, aorta, signal["blood"] * 1.02, soft)

    # Chest wall from inside out: muscle with ribs, a sheet of fat, skin, air.
    depth = ellipse(y0, x0, 52, -24 + 5 * move[11], 154 + 4 * move[12], 176) + 0.9 * bump
    paint(out, -depth - body.skin_fat - 17, signal["muscle"] * (1 + 0.2 * grain), soft)
    ribs = np.maximum(np.abs(depth + body.skin_fat + 9) - 4.5, (0.2 - vessels) * 9)
    paint(out, ribs, signal["spine"] * 0.9, soft)
    paint(out, -depth - body.skin_fat, signal["fat"] * (0.95 + 0.06 * grain), soft)
    paint(out, -depth - 2, signal["muscle"], soft)
    paint(out, -depth, signal["air"], soft)
    return out
