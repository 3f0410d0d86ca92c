"""Draws one thin slice of a phantom body: the signal of every tissue, and the labels of the heart.

Shapes are signed distances in mm (negative inside), painted from the outside in with edges one
pixel soft. Fat has a negative signal where the scanner makes fat and water opposed: a voxel that
holds both then cancels, which is the dark rim round fat in balanced steady-state images.
"""

import math

import numpy as np

from mos.data.phantom_anatomy import FAT, LV, MYOCARDIUM, RV, Body
from mos.data.phantom_random import smooth_noise

Signal = dict[str, float]  # tissue -> signal
_FAR = np.float32(1e3)


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
    _paint(out, (0.95 - vessels) * 5, signal["blood"] * 0.6, soft)

    # Organs under the diaphragm rise into the picture towards the apex (low z).
    dome = 0.22 * z
    bump = 4 * smooth_noise(body.texture, 30.0, z, y, x)
    liver = _ellipse(y0, x0, 108 + dome + 6 * move[0], -62 + 6 * move[1], 78, 92) + bump
    _paint(out, liver, signal["liver"] * (1 + 0.08 * grain), soft)
    _paint(out, np.maximum(liver + 8, (0.9 - vessels) * 5), signal["blood"] * 0.75, soft)
    size = 34 + 5 * float(move[2]) - 0.3 * (z + 20)
    stomach = _ellipse(y0, x0, 78 + dome + 5 * move[3], 62 + 8 * move[4], 0.7 * size, size) + bump
    _paint(out, stomach, signal["muscle"], soft)
    _paint(out, stomach + 4, signal["stomach"] * (1 + 0.25 * vessels), soft)
    level = y0 - (66 + dome + 8 * move[5])
    _paint(out, np.maximum(stomach + 5, level), signal["air"], soft)

    spine_y, spine_x = 100 + 4 * float(move[6]), -42 + 8 * float(move[7])
    disc = _ellipse(y0, x0, spine_y, spine_x, 19, 24) + 0.5 * bump
    _paint(out, disc - 14, signal["muscle"] * (1 + 0.15 * grain), soft)
    _paint(out, disc, signal["spine"] * (1 + 0.12 * grain), soft)
    _paint(out, _ellipse(y0, x0, spine_y, spine_x, 6, 7), signal["stomach"], soft)
    aorta = _ellipse(y0, x0, 72 + 4 * move[8], -2 + 7 * move[9], 11 + move[10], 12 + move[10])
    _paint(out, aorta - 1.8, signal["muscle"], soft)
    _paint(out, aorta, signal["blood"] * 1.02, soft)

    # Chest wall from inside out: muscle with ribs, a sheet of fat, skin, air.
    depth = _ellipse(y0, x0, 62, -30 + 5 * move[11], 164 + 4 * move[12], 152) + 0.7 * bump
    _paint(out, -depth - body.skin_fat - 17, signal["muscle"] * (1 + 0.2 * grain), soft)
    ribs = np.maximum(np.abs(depth + body.skin_fat + 9) - 4.5, (0.1 - vessels) * 8)
    _paint(out, ribs, signal["spine"] * 0.9, soft)
    _paint(out, -depth - body.skin_fat, signal["fat"] * (0.95 + 0.06 * grain), soft)
    _paint(out, -depth - 2, signal["muscle"], soft)
    _paint(out, -depth, signal["air"], soft)
    return out


def draw_heart(
    body: Body,
    signal: Signal,
    contraction: float,
    z: float,
    y: np.ndarray,
    x: np.ndarray,
    picture: np.ndarray,
    labels: np.ndarray,
) -> None:
    """Paints the heart and both kinds of fat over `picture`, and its labels into `labels`.

    Args:
        contraction: 0 at ED to 1 at ES.
        z: height in mm from the middle of the stack.
        y, x: (h,), (w,) mm from the LV axis in this slice.
        picture: (h, w) float32, changed in place.
        labels: (h, w) uint8, changed in place.
    """
    soft = float(y[1] - y[0])
    u, v, radius, waves = _polar(body, y, x)
    length = body.length * (1 - 0.13 * contraction)
    t = (z - body.apex) / length  # 0 at the tip, 1 at the valve plane
    above = z - body.apex - length - body.valve[0] * y[:, None] - body.valve[1] * x[None, :]
    grain = smooth_noise(body.texture, 4.0, z, y, x)

    lv, cavity, scar = _left(body, contraction, t, radius, waves)
    rv = _right(body, contraction, t, u, v, grain)
    muscle = np.minimum(lv, rv - body.rv_wall)
    sac = _smooth_min(lv, rv - body.rv_wall, 15.0)

    # Fat: more of it towards the base and over the RV, in patches that the phases share.
    patch = smooth_noise(body.patches[0], 15.0, z * body.length / length, y, x)
    fat = body.fat * (0.5 + 0.45 * min(max(t, 0.0), 1.2) + 0.25 * waves[0])
    fat = np.clip(fat + body.fat_patch * patch, 0, 16)
    patch = smooth_noise(body.patches[1], 19.0, z, y, x)
    outer = body.outer_fat * (0.7 + 3.2 * patch - 0.8 * y[:, None] / 40 + 0.3 * np.abs(above) / 40)
    outer = np.clip(outer, 0, 28) + fat + body.pericardium
    bright_fat = signal["fat"] * (1 + 0.04 * grain)
    blood = signal["blood"] * (1 + 0.05 * smooth_noise(body.texture, 9.0, z + 7, y, x))
    wall = signal["muscle"] * (1 + 0.06 * grain)

    _paint(picture, sac - outer, bright_fat, soft)
    _paint(picture, sac - fat - body.pericardium, signal["pericardium"], soft)
    _paint(picture, sac - fat, bright_fat, soft)
    _paint(picture, muscle, wall, soft)
    _paint(picture, rv, blood * 0.97, soft)
    _paint(picture, lv, wall + scar * (signal["scar"] - signal["muscle"]), soft)
    _paint(picture, cavity, blood, soft)
    for along, across, size in body.papillary:
        reach = float(body.cavity) * (1 - body.shortening * contraction)
        if 0.2 < t < 0.72:
            du, dv = u - along * reach, v - across * reach
            bump = np.sqrt(du * du + dv * dv) - size * (1 + 0.25 * contraction)
            _paint(picture, np.maximum(bump, cavity + 0.5), signal["muscle"], soft)
    trabeculae = np.maximum(np.abs(grain) * 9 - 1.6, cavity + 1.0)
    _paint(picture, np.maximum(trabeculae, -cavity - 7), signal["muscle"] * 1.3, soft)
    _paint(picture, np.maximum(np.abs(grain) * 7 - 1.4, rv + 1.5), signal["muscle"] * 1.3, soft)

    labels[(sac < fat) & (muscle > 0)] = FAT
    labels[(rv < 0) & (lv > 0)] = RV
    labels[lv <= 0] = MYOCARDIUM
    labels[cavity < 0] = LV
    if above.max() > 0:
        _draw_base(body, signal, above, u, v, blood, wall, bright_fat, soft, picture, labels)


def _draw_base(body, signal, above, u, v, blood, wall, bright_fat, soft, picture, labels) -> None:
    """Above the valve plane: atria and great vessels, which look like ventricles and are no label."""
    height = np.maximum(above, 0)
    atrium = _ring(u, v, 0.06 * body.cavity, 0.15 * body.cavity, body.cavity * 1.02 + 0.12 * height)
    right = _ring(u, v, 1.75 * body.cavity, 0.75 * body.cavity, 0.72 * body.rv_width + 2)
    outflow = _ring(u, v, 1.45 * body.cavity, -1.0 * body.cavity, 15.5 + float(body.chest[13]))
    root = _ring(u, v, 0.95 * body.cavity, -0.25 * body.cavity, 14.0 + float(body.chest[14]))
    cuff = np.clip(7.5 - 0.45 * height, 1.8, None)  # the first slices still have a thick ring
    hull = _smooth_min(
        _smooth_min(atrium - cuff, right, 18.0), _smooth_min(outflow, root, 12.0), 16.0
    )
    layer = picture.copy()
    _paint(layer, hull - 5 - 0.6 * body.fat, bright_fat, soft)
    _paint(layer, hull - 1, bright_fat, soft)
    for shape, border in ((right, 2.0), (outflow, 2.6), (atrium, cuff), (root, 2.4)):
        _paint(layer, shape - border, wall, soft)
        _paint(layer, shape, blood, soft)
    labels[above > 0] = 0
    _paint(picture, -above, layer, soft * 2)


def _polar(body: Body, y: np.ndarray, x: np.ndarray):
    """Distance along and across the septum direction, radius, and cos/sin of 1, 2, 3 angles."""
    sy, sx = body.septum
    u = y[:, None] * np.float32(sy) + x[None, :] * np.float32(sx)
    v = x[None, :] * np.float32(sy) - y[:, None] * np.float32(sx)
    radius = np.sqrt(u * u + v * v + np.float32(1e-3))
    c, s = u / radius, v / radius
    c2, s2 = 2 * c * c - 1, 2 * s * c
    return u, v, radius, (c, s, c2, s2, c2 * c - s2 * s, s2 * c + c2 * s)


def _wave(amplitudes: np.ndarray, waves) -> np.ndarray:
    total = amplitudes[0] * waves[0]
    for amplitude, wave in zip(amplitudes[1:], waves[1:]):
        total = total + amplitude * wave
    return total


def _profile(t: float) -> float:
    """Radius of the ventricle over its height, as a fraction of the widest; 0 below the tip."""
    if t <= 0:
        return 0.0
    return math.sqrt(1 - ((0.72 - t) / 0.72) ** 2) if t < 0.72 else 1 - 0.6 * (t - 0.72) ** 2


def _left(body: Body, contraction: float, t: float, radius, waves):
    """Signed distances to the outer wall and to the cavity, and how much scar is in the wall."""
    cavity = body.cavity * (1 - body.shortening * contraction)
    # The wall keeps its area in a slice, a little more at ES because the heart also shortens.
    area = (body.cavity + body.wall) ** 2 - body.cavity**2
    outer = math.sqrt(cavity * cavity + area * (1 + 0.1 * contraction))
    tip = 0.75 * body.wall / body.length
    shape = 1 + _wave(body.outline, waves) - body.flat * np.clip(waves[0], 0, 1) ** 2
    edge = outer * _profile(t) * shape + min(t, 0.0) * body.length * np.float32(0.9)
    thickness = (outer * _profile(t) - cavity * _profile((t - tip) / (1 - tip))) * (
        1 + _wave(body.thickness, waves)
    )
    scar = np.zeros_like(edge)
    if body.group == "infarct" and body.scar[2] < t < body.scar[3]:
        facing = waves[0] * np.float32(body.scar[0]) + waves[1] * np.float32(body.scar[1])
        scar = np.clip((facing - 0.35) * 3, 0, 1)
        thickness = thickness * (1 - 0.5 * scar)
    lv = radius - edge
    cavity_edge = edge - thickness if t > tip else np.full_like(edge, -_FAR)
    return lv, radius - cavity_edge, scar


def _right(body: Body, contraction: float, t: float, u, v, grain) -> np.ndarray:
    """Signed distance to the RV cavity, an ellipse whose inner part the LV covers."""
    if t < 0.08:
        return np.full_like(u, _FAR)
    outer = (body.cavity + body.wall) * _profile(t) * (1 - body.flat)
    rise = min((t - 0.08) / 0.55, 1.0)
    width = body.rv_width * (0.15 + 0.85 * rise * (2 - rise)) * (1 - 0.3 * contraction)
    buried = 0.55 * outer
    half, tall = (width + buried) / 2, (0.5 + 0.5 * rise) * (0.93 * outer + 0.22 * width)
    du, dv = u - (outer + width - half), v - body.rv_shift * rise
    away = np.sqrt(du * du + dv * dv + np.float32(1e-3))
    c, s = du / away, dv / away
    c2, s2 = 2 * c * c - 1, 2 * s * c
    waves = (c, s, c2, s2, c2 * c - s2 * s, s2 * c + c2 * s)
    scaled = np.sqrt((du / half) ** 2 + (dv / tall) ** 2) + np.float32(1e-3)
    return away - away / scaled * (1 + _wave(body.rv_outline, waves)) + 1.2 * grain


def _ellipse(y, x, middle_y, middle_x, half_y, half_x) -> np.ndarray:
    """Distance along the ray to an upright ellipse, mm."""
    dy, dx = y - np.float32(middle_y), x - np.float32(middle_x)
    away = np.sqrt(dy * dy + dx * dx + np.float32(1e-3))
    half_y, half_x = (np.float32(max(float(half), 1.0)) for half in (half_y, half_x))
    scaled = np.sqrt((dy / half_y) ** 2 + (dx / half_x) ** 2) + np.float32(1e-3)
    return away - away / scaled


def _ring(u, v, middle_u, middle_v, size) -> np.ndarray:
    du, dv = u - np.float32(middle_u), v - np.float32(middle_v)
    return np.sqrt(du * du + dv * dv) - size


def _smooth_min(a: np.ndarray, b: np.ndarray, reach: float) -> np.ndarray:
    """Minimum whose corner is filled over `reach` mm (Quilez 2013, polynomial smooth minimum)."""
    mix = np.clip(0.5 + 0.5 * (b - a) / reach, 0, 1)
    return b + (a - b) * mix - reach * mix * (1 - mix)


def _paint(picture: np.ndarray, distance: np.ndarray, value, soft: float) -> None:
    """Covers the inside of a shape, in place; the edge is `soft` mm wide."""
    picture += (value - picture) * np.clip(0.5 - distance / soft, 0, 1)
