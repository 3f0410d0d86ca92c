"""Colours: no two alike, and the safe ones stay apart for colour-blind people."""

import itertools

import numpy as np
import pytest

from mos.report.colour import PALETTES, error_colours, hex_colour, label_colours

# Full colour blindness by Machado, Oliveira and Fernandes (2009), on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(rgb: np.ndarray, sight: str) -> np.ndarray:
    """CIELAB (n, 3) of sRGB colours (n, 3) uint8 as someone sees them."""
    part = rgb / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750]]
    xyz = linear @ np.array([*to_xyz, [0.0193339, 0.1191920, 0.9503041]]).T
    xyz = xyz / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def nearest(colours: np.ndarray, sight: str) -> float:
    seen = lab(colours, sight)
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))


def test_black_and_white_are_100_apart():
    assert nearest(np.array([(0, 0, 0), (255, 255, 255)]), "normal") == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("sight", SIGHT)
def test_safe_colours_stay_apart_for_everybody(sight):
    assert nearest(error_colours("safe"), sight) > 38
    assert nearest(label_colours("safe")[:7], sight) > 28
    assert nearest(label_colours("safe")[:13], sight) > 19


def test_the_classic_ones_would_fail_that():
    assert nearest(error_colours("classic"), "protanopia") < 10


@pytest.mark.parametrize("palette", PALETTES)
def test_every_label_id_has_a_colour_of_its_own(palette):
    colours = label_colours(palette)
    assert colours.shape == (256, 3) and colours.dtype == np.uint8
    assert len({tuple(colour) for colour in colours}) == 256
    assert not colours[0].any()


def test_classic_errors_are_green_red_and_blue():
    assert error_colours("classic")[1:4].tolist() == [[0, 255, 0], [255, 0, 0], [36, 70, 255]]
    assert hex_colour(error_colours("classic")[3]) == "#2446ff"
