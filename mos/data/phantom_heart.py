"""Draws the heart in one thin slice of a phantom body: the signal of every tissue, and the labels.

Shapes are signed distances in mm (negative inside), painted from the outside in with edges one
pixel soft. Fat has a negative signal where the scanner makes fat and water opposed: a voxel that
holds both then cancels, which is the dark rim round fat in balanced steady-state images.
"""

import math
from dataclasses import dataclass

import numpy as np

from mos.data.phantom_anatomy import FAT, LV, MYOCARDIUM, RV, Body
from mos.data.phantom_random import smooth_noise
from mos.data.phantom_shapes import Signal, paint, polar, ring, smooth_min, wave

_FAR = np.float32(1e3)
FAT_REACH = 24.0  # mm from the heart that fat can lie
SHORTER = 0.13  # of the length at ES


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
    radius, waves = polar(u, v)
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
        paint(picture, sac - outer, bright_fat, soft)
        paint(picture, sac - fat - body.pericardium, signal["pericardium"], soft)
        paint(picture, sac - fat, bright_fat, soft)
        paint(picture, muscle, wall, soft)
        paint(picture, rv, blood * 0.97, soft)
        if scar is not None:
            wall = wall + scar * (signal["scar"] - signal["muscle"])
        paint(picture, lv, wall, soft)
        paint(picture, cavity, blood, soft)
        _draw_bundles(body, signal, contraction, t, place, rv, cavity, picture)
        labels[(sac < fat) & (muscle > 0)] = FAT
        labels[(rv < 0) & (lv > 0)] = RV
        labels[lv <= 0] = MYOCARDIUM
        labels[cavity < 0] = LV
    if above.max() > -soft:
        layer = picture.copy()
        _draw_base(body, place, np.maximum(above, 0), (blood, wall, bright_fat), outer, layer)
        paint(picture, -above, layer, soft * 2)
        labels[above > 0] = 0


def _ventricles(body: Body, contraction: float, t: float, place: Place):
    """Distances to pericardial side of the fat, muscle, RV cavity, LV and its cavity; the scar."""
    lv, cavity, scar = _left(body, contraction, t, place)
    rv = _right(body, contraction, t, place)
    if rv is None:
        return lv, lv, np.full_like(lv, _FAR), lv, cavity, scar
    outer = rv - body.rv_wall
    return smooth_min(lv, outer, 15.0), np.minimum(lv, outer), rv, lv, cavity, scar


def _draw_bundles(body, signal, contraction, t, place, rv, cavity, picture) -> None:
    """Muscle inside the cavities, which belongs to them: papillary muscles and trabeculae."""
    soft, rough = place.soft, np.abs(place.grain)
    reach = body.cavity * (1 - body.shortening * contraction)
    for along, across, size in body.papillary if 0.2 < t < 0.72 else ():
        bump = ring(place.u, place.v, along * reach, across * reach, size)
        bump = np.maximum(bump - 0.25 * size * contraction, cavity + 0.5)
        paint(picture, bump, signal["muscle"], soft)
    rim = np.maximum(np.maximum(rough * 9 - 1.6, cavity + 1.0), -cavity - 7)
    rim = np.minimum(rim, np.maximum(np.maximum(rough * 9 - 0.9, rv + 1.0), -rv - 9))
    paint(picture, rim, signal["muscle"] * 1.6, soft)


def _draw_base(body: Body, place: Place, height, tissue, outer, layer) -> None:
    """Above the valve plane: atria and great vessels, which look like ventricles and are no label."""
    (blood, wall, fat), size, soft = tissue, body.cavity, place.soft
    atrium = ring(place.u, place.v, 0.06 * size, 0.15 * size, size * 1.02 + 0.12 * height)
    right = ring(place.u, place.v, 1.75 * size, 0.75 * size, 0.72 * body.rv_width + 2)
    outflow = ring(place.u, place.v, 1.45 * size, -size, 15.5 + float(body.chest[13]))
    root = ring(place.u, place.v, 0.95 * size, -0.25 * size, 14.0 + float(body.chest[14]))
    cuff = np.clip(7.5 - 0.45 * height, 1.8, None)  # the first slices still have a thick ring
    warp = 2.2 * place.swirl
    atrium, right, outflow, root = atrium + warp, right - warp, outflow + warp, root - 0.5 * warp
    hull = smooth_min(smooth_min(atrium - cuff, right, 18), smooth_min(outflow, root, 12), 16)
    paint(layer, hull - outer, fat, soft)
    paint(layer, hull - 1, fat, soft)
    for shape, border in ((right, 2.0), (outflow, 2.6), (atrium, cuff), (root, 2.4)):
        paint(layer, shape - border, wall, soft)
        paint(layer, shape, blood, soft)


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
    shape = 1 + wave(body.outline, waves) - body.flat * np.maximum(waves[0], 0) ** 2
    edge = outer * _profile(t) * shape + min(t, 0.0) * body.length * 0.9
    lv = place.radius - edge
    if t <= tip:
        return lv, np.full_like(lv, _FAR), None
    inner = cavity * _profile((t - tip) / (1 - tip))
    thickness = (outer * _profile(t) - inner) * (1 + wave(body.thickness, waves))
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
    away, waves = polar(place.u - (outer + width - half), place.v - body.rv_shift * rise)
    # Distance along the ray from the middle of the ellipse.
    edge = 1 / np.sqrt((waves[0] / half) ** 2 + (waves[1] / tall) ** 2)
    return away - edge * (1 + wave(body.rv_outline, waves)) + 1.2 * place.grain
