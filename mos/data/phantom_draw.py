"""Draws one thin slice of a phantom body: the signal of every tissue, and the labels of the heart.

Shapes are signed distances in mm (negative inside), painted from the outside in with edges one
pixel soft. Fat has a negative signal where the scanner makes fat and water opposed: a voxel that
holds both then cancels, which is the dark rim round fat in balanced steady-state images.
"""

import math
from dataclasses import dataclass

import numpy as np

from mos.data.phantom_anatomy import FAT, LV, MYOCARDIUM, RV, Body
from mos.data.phantom_random import smooth_noise

Signal = dict[str, float]  # tissue -> signal
_FAR = np.float32(1e3)
FAT_REACH = 24.0  # mm from the heart that fat can lie
SHORTER = 0.13  # of the length at ES


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
    liver = _ellipse(y0, x0, 101 + dome + 5 * move[0], -56 + 6 * move[1], 80, 98) + bump
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
    depth = _ellipse(y0, x0, 52, -24 + 5 * move[11], 154 + 4 * move[12], 176) + 0.9 * bump
    _paint(out, -depth - body.skin_fat - 17, signal["muscle"] * (1 + 0.2 * grain), soft)
    ribs = np.maximum(np.abs(depth + body.skin_fat + 9) - 4.5, (0.2 - vessels) * 9)
    _paint(out, ribs, signal["spine"] * 0.9, soft)
    _paint(out, -depth - body.skin_fat, signal["fat"] * (0.95 + 0.06 * grain), soft)
    _paint(out, -depth - 2, signal["muscle"], soft)
    _paint(out, -depth, signal["air"], soft)
    return out


@dataclass(frozen=True)
class Place:
    """What the thin parts of one slice share: where each point lies and how the tissue varies there."""

    soft: float  # mm, width of an edge: the distance of two points
    y: np.ndarray  # (h, 1) mm from the LV axis
    x: np.ndarray  # (1, w)
    u: np.ndarray  # (h, w) mm towards the septum
    v: np.ndarray  # (h, w) mm along it
    radius: np.ndarray  # (h, w)
    waves: tuple[np.ndarray, ...]  # cos and sin of 1, 2, 3 times the angle from the septum
    grain: np.ndarray  # (h, w) fine texture, standard normal
    swirl: np.ndarray  # (h, w) of flowing blood
    patches: tuple[np.ndarray, np.ndarray]  # (h, w) of both fats


def place_heart(body: Body, contraction: float, z: float, y: np.ndarray, x: np.ndarray) -> Place:
    """Prepares a slice at height z for `draw_heart`; y (h,), x (w,) in mm from the LV axis."""
    sy, sx = body.septum
    u = y[:, None] * np.float32(sy) + x[None, :] * np.float32(sx)
    v = x[None, :] * np.float32(sy) - y[:, None] * np.float32(sx)
    radius, waves = _polar(u, v)
    return Place(
        soft=float(y[1] - y[0]),
        y=y[:, None],
        x=x[None, :],
        u=u,
        v=v,
        radius=radius,
        waves=waves,
        grain=smooth_noise(body.texture, 4.0, z, y, x),
        swirl=smooth_noise(body.texture, 9.0, z + 7, y, x),
        # Fat moves with the muscle under it, so that the phases share their patches.
        patches=(
            smooth_noise(body.patches[0], 15.0, z / (1 - SHORTER * contraction), y, x),
            smooth_noise(body.patches[1], 19.0, z, y, x),
        ),
    )


def heart_reach(body: Body) -> tuple[float, float, float, float]:
    """How far from the LV axis heart and fat can be: up, down, left, right in mm."""
    wide = body.cavity + body.wall + FAT_REACH
    sy, sx = body.septum
    grow = body.rv_width + 2
    return (
        wide + max(-sy, 0) * grow,
        wide + max(sy, 0) * grow,
        wide + max(-sx, 0) * grow,
        wide + max(sx, 0) * grow,
    )


def draw_heart(
    body: Body,
    signal: Signal,
    contraction: float,
    z: float,
    place: Place,
    picture: np.ndarray,
    labels: np.ndarray,
) -> None:
    """Paints the heart and both kinds of fat over `picture`, and its labels into `labels`.

    Args:
        contraction: 0 at ED to 1 at ES.
        z: height in mm from the middle of the stack, within the slice of `place`.
        picture: (h, w) float32, changed in place.
        labels: (h, w) uint8, changed in place.
    """
    soft, grain = place.soft, place.grain
    length = body.length * (1 - SHORTER * contraction)
    t = (z - body.apex) / length  # 0 at the tip, 1 at the valve plane
    if t * body.length * 0.9 < -FAT_REACH:
        return
    above = z - body.apex - length - body.valve[0] * place.y - body.valve[1] * place.x
    # Fat: more of it towards the base and over the RV.
    fat = body.fat * (0.5 + 0.45 * min(max(t, 0.0), 1.2) + 0.25 * place.waves[0])
    fat = np.clip(fat + body.fat_patch * place.patches[0], 0, FAT_REACH - 10)
    outer = body.outer_fat * (0.9 + 3.2 * place.patches[1] - 0.02 * place.y)
    outer = np.clip(outer, 0, FAT_REACH) + fat + body.pericardium
    outer = np.minimum(outer, np.float32(FAT_REACH - 1))
    bright_fat = signal["fat"] * (1 + 0.03 * grain)
    blood = signal["blood"] * (1 + 0.05 * place.swirl)
    wall = signal["muscle"] * (1 + 0.05 * grain)
    if above.min() < 2 * soft:
        sac, muscle, rv, lv, cavity, scar = _ventricles(body, contraction, t, place)
        _paint(picture, sac - outer, bright_fat, soft)
        _paint(picture, sac - fat - body.pericardium, signal["pericardium"], soft)
        _paint(picture, sac - fat, bright_fat, soft)
        _paint(picture, muscle, wall, soft)
        _paint(picture, rv, blood * 0.97, soft)
        if scar is not None:
            wall = wall + scar * (signal["scar"] - signal["muscle"])
        _paint(picture, lv, wall, soft)
        _paint(picture, cavity, blood, soft)
        _draw_bundles(body, signal, contraction, t, place, rv, cavity, picture)
        labels[(sac < fat) & (muscle > 0)] = FAT
        labels[(rv < 0) & (lv > 0)] = RV
        labels[lv <= 0] = MYOCARDIUM
        labels[cavity < 0] = LV
    if above.max() > -soft:
        layer = picture.copy()
        _draw_base(body, place, np.maximum(above, 0), (blood, wall, bright_fat), outer, layer)
        _paint(picture, -above, layer, soft * 2)
        labels[above > 0] = 0


def _ventricles(body: Body, contraction: float, t: float, place: Place):
    """Distances to pericardial side of the fat, muscle, RV cavity, LV and its cavity; the scar."""
    lv, cavity, scar = _left(body, contraction, t, place)
    rv = _right(body, contraction, t, place)
    if rv is None:
        return lv, lv, np.full_like(lv, _FAR), lv, cavity, scar
    outer = rv - body.rv_wall
    return _smooth_min(lv, outer, 15.0), np.minimum(lv, outer), rv, lv, cavity, scar


def _draw_bundles(body, signal, contraction, t, place, rv, cavity, picture) -> None:
    """Muscle inside the cavities, which belongs to them: papillary muscles and trabeculae."""
    soft, rough = place.soft, np.abs(place.grain)
    reach = body.cavity * (1 - body.shortening * contraction)
    for along, across, size in body.papillary if 0.2 < t < 0.72 else ():
        bump = _ring(place.u, place.v, along * reach, across * reach, size)
        bump = np.maximum(bump - 0.25 * size * contraction, cavity + 0.5)
        _paint(picture, bump, signal["muscle"], soft)
    rim = np.maximum(np.maximum(rough * 9 - 1.6, cavity + 1.0), -cavity - 7)
    rim = np.minimum(rim, np.maximum(np.maximum(rough * 9 - 0.9, rv + 1.0), -rv - 9))
    _paint(picture, rim, signal["muscle"] * 1.6, soft)


def _draw_base(body: Body, place: Place, height, tissue, outer, layer) -> None:
    """Above the valve plane: atria and great vessels, which look like ventricles and are no label."""
    (blood, wall, fat), size, soft = tissue, body.cavity, place.soft
    atrium = _ring(place.u, place.v, 0.06 * size, 0.15 * size, size * 1.02 + 0.12 * height)
    right = _ring(place.u, place.v, 1.75 * size, 0.75 * size, 0.72 * body.rv_width + 2)
    outflow = _ring(place.u, place.v, 1.45 * size, -size, 15.5 + float(body.chest[13]))
    root = _ring(place.u, place.v, 0.95 * size, -0.25 * size, 14.0 + float(body.chest[14]))
    cuff = np.clip(7.5 - 0.45 * height, 1.8, None)  # the first slices still have a thick ring
    warp = 2.2 * place.swirl
    atrium, right, outflow, root = atrium + warp, right - warp, outflow + warp, root - 0.5 * warp
    hull = _smooth_min(_smooth_min(atrium - cuff, right, 18), _smooth_min(outflow, root, 12), 16)
    _paint(layer, hull - outer, fat, soft)
    _paint(layer, hull - 1, fat, soft)
    for shape, border in ((right, 2.0), (outflow, 2.6), (atrium, cuff), (root, 2.4)):
        _paint(layer, shape - border, wall, soft)
        _paint(layer, shape, blood, soft)


def _polar(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Radius, and cos and sin of 1, 2, 3 times the angle, by addition theorems."""
    radius = np.sqrt(u * u + v * v + np.float32(1e-3))
    c, s = u / radius, v / radius
    c2, s2 = 2 * c * c - 1, 2 * s * c
    return radius, (c, s, c2, s2, c2 * c - s2 * s, s2 * c + c2 * s)


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


def _left(body: Body, contraction: float, t: float, place: Place):
    """Distances to the outer wall and to the cavity, and how much scar is in the wall (or None)."""
    cavity = body.cavity * (1 - body.shortening * contraction)
    # The wall keeps its area in a slice, a little more at ES because the heart also shortens.
    area = (body.cavity + body.wall) ** 2 - body.cavity**2
    outer = math.sqrt(cavity * cavity + area * (1 + 0.1 * contraction))
    tip = 0.75 * body.wall / body.length
    waves = place.waves
    shape = 1 + _wave(body.outline, waves) - body.flat * np.maximum(waves[0], 0) ** 2
    edge = outer * _profile(t) * shape + min(t, 0.0) * body.length * 0.9
    lv = place.radius - edge
    if t <= tip:
        return lv, np.full_like(lv, _FAR), None
    inner = cavity * _profile((t - tip) / (1 - tip))
    thickness = (outer * _profile(t) - inner) * (1 + _wave(body.thickness, waves))
    scar = None
    if body.group == "infarct" and body.scar[2] < t < body.scar[3]:
        facing = waves[0] * np.float32(body.scar[0]) + waves[1] * np.float32(body.scar[1])
        scar = np.clip((facing - 0.35) * 3, 0, 1)
        thickness = thickness * (1 - 0.5 * scar)
    return lv, lv + thickness, scar


def _right(body: Body, contraction: float, t: float, place: Place) -> np.ndarray | None:
    """Distance to the RV cavity, an ellipse whose inner part the LV covers; None below its tip."""
    if t < 0.08:
        return None
    outer = (body.cavity + body.wall) * _profile(t) * (1 - body.flat)
    rise = min((t - 0.08) / 0.55, 1.0)
    width = body.rv_width * (0.15 + 0.85 * rise * (2 - rise)) * (1 - 0.3 * contraction)
    buried = 0.55 * outer
    half, tall = (width + buried) / 2, (0.5 + 0.5 * rise) * (0.93 * outer + 0.22 * width)
    away, waves = _polar(place.u - (outer + width - half), place.v - body.rv_shift * rise)
    # Distance along the ray from the middle of the ellipse.
    edge = 1 / np.sqrt((waves[0] / half) ** 2 + (waves[1] / tall) ** 2)
    return away - edge * (1 + _wave(body.rv_outline, waves)) + 1.2 * place.grain


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
