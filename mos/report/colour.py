"""The colours of labels and of error maps, the same in figures and on the page.

Two palettes. `safe`, the default, stays apart for people with each kind of colour blindness: colours
were chosen one after the other, each as far as can be (CIELAB distance, the least over normal sight and
full protanopia, deuteranopia and tritanopia as simulated by Machado et al. 2009) from those before it
and from the greys of images. `classic` has the pure colours many papers use.
"""

import colorsys
from typing import Literal

import numpy as np

Rgb = tuple[int, int, int]
Palette = Literal["safe", "classic"]
PALETTES: tuple[Palette, ...] = ("safe", "classic")

# What became of a voxel, in the order of the ids that `case_images.error_map` gives: 0 is background.
ERROR_KINDS = ("correct", "extra", "missed", "confused")
ERROR_TITLES = {
    "correct": "correct",
    "extra": "extra",
    "missed": "missed",
    "confused": "wrong label",
}
# safe: the four lie at least 38 apart for everybody (100 is black to white).
ERROR_COLOURS: dict[Palette, dict[str, Rgb]] = {
    "safe": {
        "correct": (120, 215, 165),
        "extra": (220, 50, 30),
        "missed": (60, 90, 255),
        "confused": (255, 230, 80),
    },
    "classic": {
        "correct": (0, 255, 0),
        "extra": (255, 0, 0),
        "missed": (36, 70, 255),
        "confused": (255, 255, 0),
    },
}
# Landmarks: where they are, where they were found, and the line between. The marks differ in form too.
POINT_COLOURS: dict[Palette, dict[str, Rgb]] = {
    "safe": {"reference": (230, 159, 0), "prediction": (86, 180, 233), "error": (255, 255, 255)},
    "classic": {"reference": (255, 40, 40), "prediction": (0, 255, 0), "error": (255, 255, 0)},
}
# Labels 1 to 12: any two at least 19 apart for everybody, the first six at least 28.
_SAFE: tuple[Rgb, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (180, 0, 255),
    (165, 30, 0),
    (180, 255, 165),
    (150, 15, 135),
    (180, 150, 105),
    (105, 105, 210),
    (0, 255, 90),
    (210, 105, 30),
    (210, 90, 180),
    (120, 90, 60),
)
_MOST_LABELS = 256


def label_colours(palette: Palette = "safe") -> np.ndarray:
    """The colour of every label id.

    Returns:
        (256, 3) uint8, row i for label i; background is black and no two are equal. More than twelve
        colours cannot all be told apart by everybody: `safe` goes on with hues from label 13.
    """
    fixed = _SAFE if palette == "safe" else ()
    hues = (_hue(number) for number in range(_MOST_LABELS - 1 - len(fixed)))
    return np.array([(0, 0, 0), *fixed, *hues], dtype=np.uint8)


def error_colours(palette: Palette = "safe") -> np.ndarray:
    """(5, 3) uint8: background, then the colours of ERROR_KINDS."""
    return np.array([(0, 0, 0), *ERROR_COLOURS[palette].values()], dtype=np.uint8)


def hex_colour(rgb: Rgb | np.ndarray) -> str:
    """`#rrggbb`, as HTML, SVG and matplotlib take it."""
    return "#" + "".join(f"{int(part):02x}" for part in rgb)


def _hue(number: int) -> Rgb:
    """Red, yellow, green, cyan, ...: hues 62 degrees apart, paler or darker with every 180 of them."""
    round_, step = divmod(number, 180)
    saturation = (1.0, 0.6)[round_]
    red, green, blue = colorsys.hsv_to_rgb((62 * step % 360) / 360, saturation, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
