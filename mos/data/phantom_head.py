"""The built-in landmark images: lateral X-rays of heads, the same on every machine."""

from dataclasses import dataclass

import numpy as np

from mos.data.phantom_head_draw import draw_head
from mos.data.phantom_head_shape import NAMES, make_skull, turned
from mos.data.phantom_random import VERSION, Draw

__all__ = ["NAMES", "VERSION", "Head", "make_head"]

# How a picture is cut: most show all points, some end above the chin or behind the lips.
_VIEWS = {"whole": 0.84, "chin cut": 0.08, "lips cut": 0.08}


@dataclass(frozen=True, kw_only=True)
class Head:
    """One X-ray."""

    picture: np.ndarray  # (h, w) uint8, 0 at the right and at the bottom as in a padded stack
    points: np.ndarray  # (19, [xy]) float64 pixels, in the order of NAMES; some lie outside
    scale: float  # mm per pixel
    content: tuple[int, int]  # (h, w) of the part that is picture


def make_head(patient: str, *, frame: tuple[int, int] = (336, 264), coarse: float = 1.0) -> Head:
    """Makes one X-ray; the same arguments give the same pixels on every machine.

    Args:
        patient: any name; it decides the anatomy, the view, the exposure and the noise.
        frame: (h, w) of the picture with its zero padding.
        coarse: 1 gives pixels of about 1 mm, which want the default frame; 4 a picture of a
            sixteenth of the pixels, for which (84, 66) is enough.
    """
    draw = Draw("head", patient)
    skull = make_skull(draw)
    view = draw.choice(_VIEWS)
    scale = coarse * draw.uniform(0.86, 1.06)
    tilt = 0.045 * draw.normal()  # tangent of half the angle: 5 degrees
    # Some are taken closer than others, so that a head fills more or less of its picture.
    height, width = draw.uniform(222, 278), draw.uniform(176, 218)
    bottom, right = 150 + 7 * draw.normal(), 112 + 6 * draw.normal()
    left, top = right - width, bottom - height
    points = np.array([turned(skull.points[name], tilt) for name in NAMES])
    outside = draw.uniform(2, 12)
    if view == "chin cut":
        height = float(points[NAMES.index("menton"), 1]) - outside - top
    if view == "lips cut":
        width = float(points[NAMES.index("upper lip"), 0]) - outside - left
    content = tuple(
        min(side, max(16, round(mm / scale))) for side, mm in zip(frame, (height, width))
    )
    y, x = (start + scale * np.arange(n) for start, n in zip((top, left), content))
    picture = np.zeros(frame, np.uint8)
    picture[: content[0], : content[1]] = draw_head(draw, skull, tilt, y, x)
    return Head(
        picture=picture,
        points=(points - np.array([left, top])) / scale,
        scale=scale,
        content=content,
    )
