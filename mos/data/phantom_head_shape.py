"""The random head behind a phantom X-ray: 19 points that vary together, and the outlines through them.

Millimetres from the sella; x grows to the face, y to the chin.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mos.data.phantom_random import Draw
from mos.data.points import NAME_LISTS

NAMES = NAME_LISTS["isbi2015"]

_MEAN = {
    "sella": (0, 0),
    "nasion": (68, -8),
    "orbitale": (51, 22),
    "porion": (-24, 20),
    "A point": (63, 57),
    "B point": (57, 97),
    "pogonion": (58, 111),
    "menton": (47, 122),
    "gnathion": (55, 118.5),
    "gonion": (-9, 82),
    "lower incisor": (66, 76),
    "upper incisor": (69, 78.5),
    "upper lip": (82, 70),
    "lower lip": (79, 85),
    "subnasale": (79, 55),
    "soft pogonion": (70, 111),
    "PNS": (15, 48),
    "ANS": (67, 49),
    "articulare": (-18, 33),
}
_JAW = ("B point", "pogonion", "menton", "gnathion", "lower incisor", "lower lip", "soft pogonion")
_MAXILLA = ("A point", "ANS", "upper incisor", "upper lip", "subnasale")

Point = np.ndarray  # ([xy]) mm


@dataclass(frozen=True)
class Skull:
    """A head."""

    points: Mapping[str, Point]
    outlines: Mapping[str, np.ndarray]  # (k, [xy]) mm, see `_outlines`


def make_skull(draw: Draw) -> Skull:
    """Draws a head: sizes and proportions first, then the jaws as wholes, then each point a little."""
    deep, tall, size = 1 + 0.05 * draw.normal(), 1 + 0.05 * draw.normal(), 1 + 0.04 * draw.normal()
    lower = 1 + 0.07 * draw.normal()
    forward, slide, turn = 2.5 * draw.normal(), 3 * draw.normal(), 0.03 * draw.normal()
    lips, chin = 1.5 * draw.normal(), 1.5 * draw.normal()
    jitter = 1.1 * draw.normals(len(NAMES), 2).astype(float)
    corner = 2.5 * draw.normals(2).astype(float)

    points = {}
    for name, own in zip(NAMES, jitter):
        x, y = _MEAN[name]
        x, y = x * deep, y * tall
        y = y if y < 50 else 50 + (y - 50) * lower
        points[name] = np.array([x, y]) + own * (name != "sella")
    hinge = points["articulare"]
    for name in _MAXILLA:
        points[name][0] += forward
    for name in (*_JAW, "gonion"):
        points[name] = hinge + turned(points[name] - hinge, turn)
        points[name][0] += slide * (name != "gonion")
    points["gonion"] += corner
    for name in ("upper lip", "lower lip"):
        points[name][0] += lips
    points["soft pogonion"][0] += chin
    # Teeth meet and lips touch in every head, however the jaws turned.
    points["lower incisor"][1] = points["upper incisor"][1] - 2.0 + 0.8 * jitter[0, 0]
    points["lower lip"][1] = max(points["lower lip"][1], points["upper lip"][1] + 11)
    points = {name: size * point for name, point in points.items()}
    return Skull(points, _outlines(points, draw))


def turned(points: np.ndarray, half_tangent: float) -> np.ndarray:
    """Points (..., [xy]) turned about the sella by the angle whose half has this tangent."""
    # Without sine and cosine, whose last digit differs between machines.
    below = 1 + half_tangent * half_tangent
    cosine, sine = (1 - half_tangent * half_tangent) / below, 2 * half_tangent / below
    x, y = points[..., 0], points[..., 1]
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)


def _outlines(p: Mapping[str, Point], draw: Draw) -> dict[str, np.ndarray]:
    """The curves that show where the points are, and others beside them."""

    def at(name: str, x: float, y: float) -> Point:
        return p[name] + np.array([x, y])

    between = (p["upper lip"] + p["lower lip"]) / 2 + np.array([-5.0, 0.0])
    fold = at("B point", 13, 0) * 0.6 + (p["lower lip"] + p["soft pogonion"]) / 2 * 0.4
    nose = 2 * draw.normals(2).astype(float)
    vault = 3 * draw.normals(4).astype(float)
    profile = [
        at("nasion", -2 + vault[0], -62),
        at("nasion", 9, -30),
        at("nasion", 11, -12),
        at("nasion", 7, 2),
        at("subnasale", 9 + nose[0], -24 + nose[1]),
        at("subnasale", 17 + nose[0], -9 + nose[1]),
        at("subnasale", 12 + nose[0], -2),
        p["subnasale"],
        p["upper lip"],
        between,
        p["lower lip"],
        fold - np.array([3.0, 0.0]),
        p["soft pogonion"],
        at("gnathion", 7, 8),
        at("menton", -3, 10),
        at("menton", -36, 8),
        at("gonion", 16, 34),
        at("gonion", 14, 90),
        at("gonion", -70, 95),
        np.array([-74.0, 60.0]),
        np.array([-104.0 + vault[1], 10.0]),
        np.array([-100.0, -60.0]),
        np.array([-50.0, -112.0 + vault[2]]),
        np.array([15.0, -114.0 + vault[2]]),
    ]
    skull = [
        p["nasion"],
        at("nasion", 5, -14),
        at("nasion", 3, -34),
        at("nasion", -12 + vault[0], -64),
        np.array([20.0, -100.0 + vault[2]]),
        np.array([-40.0, -100.0 + vault[2]]),
        np.array([-84.0, -62.0]),
        np.array([-95.0 + vault[1], -10.0]),
        np.array([-78.0, 24.0]),
        np.array([-46.0, 38.0]),
        np.array([-24.0, 34.0]),
        np.array([-8.0, 10.0]),
        np.array([18.0, 2.0]),
        np.array([45.0, -2.0]),
    ]
    base = [
        p["nasion"],
        np.array([44.0, -9.0]),
        np.array([20.0, -7.0 + 0.5 * vault[3]]),
        at("sella", 7, -6),
        at("sella", 6, 3),
        at("sella", 0, 6),
        at("sella", -6, 3),
        at("sella", -7, -6),
        at("sella", -12, 8),
        p["articulare"] * 0.8 + np.array([-2.0, 0.0]),
        p["articulare"],
        at("articulare", -8, 12),
    ]
    jaw = [
        at("articulare", 5, -10),
        at("articulare", -1, -4),
        p["articulare"],
        (p["articulare"] + p["gonion"]) / 2 + np.array([2.0, 0.0]),
        at("gonion", -1, -6),
        p["gonion"],
        at("gonion", 9, 6),
        (p["gonion"] + p["menton"]) / 2 + np.array([2.0, 1.0]),
        p["menton"],
        p["gnathion"],
        p["pogonion"],
        p["B point"],
        at("lower incisor", -2, 11),
        at("lower incisor", -11, 12),
        at("lower incisor", -32, 8),
        at("articulare", 33, 24),
        at("articulare", 29, -2),
        at("articulare", 22, -6),
        at("articulare", 13, 3),
        at("articulare", 11, -8),
    ]
    maxilla = [
        p["ANS"],
        at("A point", 2, -5),
        p["A point"],
        at("upper incisor", -3, -12),
        at("upper incisor", -12, -13),
        at("upper incisor", -36, -12),
        at("PNS", 4, 10),
        p["PNS"],
        (p["PNS"] + p["ANS"]) / 2 + np.array([0.0, 1.5]),
    ]
    orbit = [
        at("orbitale", 14, -30),
        at("orbitale", 13, -12),
        at("orbitale", 7, -2),
        p["orbitale"],
        at("orbitale", -8, -3),
        at("orbitale", -14, -12),
    ]
    palate = [p["PNS"], (p["PNS"] + p["ANS"]) / 2 + np.array([0.0, 1.0]), p["ANS"]]
    outlines = {
        "profile": _smooth(profile, closed=True),
        "skull": _smooth(skull, closed=True),
        "jaw": _smooth(jaw, closed=True),
        "maxilla": _smooth(maxilla, closed=True),
        "base": _smooth(base),
        "orbit": _smooth(orbit),
        "palate": _smooth(palate),
        "upper tooth": _tooth(p["upper incisor"], at("A point", -7, 2), 3.6),
        "lower tooth": _tooth(p["lower incisor"], at("B point", -7, 0), 3.0),
    }
    for number, back in enumerate((14, 22, 31, 41)):
        meet = (p["upper incisor"] + p["lower incisor"]) / 2 + np.array([-back, -0.04 * back])
        wide = 3.4 + 0.5 * number
        outlines[f"upper molar {number}"] = _tooth(meet, meet + np.array([-1.0, -19.0]), wide)
        outlines[f"lower molar {number}"] = _tooth(meet, meet + np.array([-2.0, 20.0]), wide)
    for number in range(4):
        middle = np.array([-38.0 - 1.5 * number, 50.0 + 19 * number])
        box = np.array([(-9, -6), (0, -8), (9, -6), (8, 0), (9, 6), (0, 5), (-9, 6), (-8, 0)])
        outlines[f"vertebra {number}"] = _smooth(list(middle + box), closed=True)
    return outlines


def _tooth(edge: Point, root: Point, width: float) -> np.ndarray:
    """An outline from the biting edge, which is its first point, to the tip of the root."""
    along = root - edge
    length = float(np.sqrt(along[0] * along[0] + along[1] * along[1]))
    along = along / length
    across = np.array([-along[1], along[0]])
    sides = [(0.0, 0.0), (0.12, 0.35), (0.3, 0.5), (0.6, 0.4), (0.9, 0.2), (1.0, 0.0)]
    right = [edge + along * length * far + across * width * out for far, out in sides]
    left = [edge + along * length * far - across * width * out for far, out in sides[-2:0:-1]]
    return np.array(right + left)


def _smooth(points: list[Point], *, closed: bool = False, steps: int = 4) -> np.ndarray:
    """A Catmull-Rom curve through points: (k, [xy]), every steps-th of them a given one."""
    p = np.array(points, float)
    if closed:
        p = np.concatenate([p[-1:], p, p[:2]])
    else:
        p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    a, b, c, d = p[:-3, None], p[1:-2, None], p[2:-1, None], p[3:, None]
    t = (np.arange(steps) / steps)[None, :, None]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, p[-2:-1]])
