"""Pictures in a grid of fixed size: padding cut, aspect kept, and every point finds its way back."""

import numpy as np
import pytest

from mos.errors import BadInput
from mos.io.fit_picture import (
    PicturePreparation,
    as_channels,
    plan_fit,
    prepare_picture,
    without_padding,
)


def padded(h=50, w=40, top=3, left=5, frame=(90, 70), value=100):
    pixels = np.zeros((1, *frame), np.uint8)
    pixels[0, top : top + h, left : left + w] = value
    return pixels


def test_zero_rows_and_columns_at_the_edges_are_cut_and_those_inside_stay():
    pixels = padded()
    pixels[0, 20:25] = 0
    assert without_padding(pixels, "a") == (3, 5, 53, 45)


def test_an_all_black_picture_is_refused_also_where_nothing_is_cut():
    black = np.zeros((1, 4, 4), np.uint8)
    for cut in (True, False):
        with pytest.raises(BadInput, match="head7: every pixel is 0, an all-black image"):
            prepare_picture(black, PicturePreparation(size=(8, 8), cut_padding=cut), "head7")


@pytest.mark.parametrize("size", [(25, 20), (25, 64), (100, 80), (33, 31), (200, 17)])
def test_aspect_is_kept_up_to_rounding_and_the_rest_is_zero(size):
    fitted = prepare_picture(padded(), PicturePreparation(size=size, cut_padding=True), "a")
    h, w = fitted.fit.content
    assert h <= size[0] and w <= size[1] and (h == size[0] or w == size[1])
    assert abs(h / w - 50 / 40) < 1.3 / min(h, w)
    assert (fitted.image[:, :h, :w] == 100).all()
    assert not fitted.image[:, h:].any() and not fitted.image[:, :, w:].any()


def test_a_picture_may_be_left_as_small_as_it_is():
    assert plan_fit((50, 40), (0, 0, 50, 40), (100, 100), enlarge=False).content == (50, 40)
    assert plan_fit((50, 40), (0, 0, 50, 40), (100, 100)).content == (100, 80)


@pytest.mark.parametrize("size", [(45, 40), (90, 80), (137, 99)], ids=["half", "same", "more"])
def test_a_dot_is_found_where_its_point_is_mapped_to(size):
    """The picture itself says whether the mapping is right: to a twentieth of a pixel."""
    y, x = np.mgrid[:90, :70]
    dot = np.array([31.3, 52.8])  # x, y
    soft = 200 * np.exp(-((x - dot[0]) ** 2 + (y - dot[1]) ** 2) / (2 * 4.0**2))
    pixels = np.rint(soft).astype(np.uint8)[None]
    pixels[0, 10, 4:66] = pixels[0, 80, 4:66] = pixels[0, 10:81, 4] = pixels[0, 10:81, 65] = 1
    fit = prepare_picture(pixels, PicturePreparation(size=size, cut_padding=True), "a").fit
    image = prepare_picture(pixels, PicturePreparation(size=size, cut_padding=True), "a").image[0]
    assert fit.cut == (10, 4, 81, 66) and fit.offset == (4, 10)
    weight = np.where(image > 8, image, 0).astype(float)
    rows, columns = np.mgrid[: size[0], : size[1]]
    found = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    back = (found + 0.5) * np.array(fit.factor) + np.array(fit.offset) - 0.5
    assert np.abs(back - dot).max() < 0.05


def test_eight_bits_keep_their_values_and_sixteen_are_stretched():
    ramp = np.tile(np.arange(64), (8, 1))
    plain = PicturePreparation(size=(8, 64), cut_padding=False, percentiles=(0, 100))
    eight = prepare_picture((ramp + 20).astype(np.uint8)[None], plain, "a")
    assert eight.image.min() == 20 and eight.intensity == (0, 255)
    deep = prepare_picture((ramp * 500 + 3000).astype(np.uint16)[None], plain, "a")
    assert (deep.image.min(), deep.image.max()) == (0, 255)
    assert deep.intensity == (3000, 34500)


def test_padding_does_not_count_when_intensity_is_stretched():
    pixels = padded().astype(np.uint16) * 100
    pixels[0, 3:10, 5:45] = 5000
    fitted = prepare_picture(
        pixels, PicturePreparation(size=(50, 40), cut_padding=True, percentiles=(0, 100)), "a"
    )
    assert fitted.intensity == (5000, 10000)


def test_colour_becomes_grey_by_its_weights_or_stays():
    red = np.zeros((3, 2, 2), np.uint8)
    red[0] = 200
    assert as_channels(red, False).tolist() == np.full((1, 2, 2), 60).tolist()
    assert as_channels(red, True) is red
    grey = np.full((1, 2, 2), 7, np.uint8)
    assert as_channels(grey, True).shape == (3, 2, 2)
    same = np.repeat(grey, 3, axis=0)
    assert np.array_equal(as_channels(same, False), grey)


def test_a_preparation_survives_its_json():
    made = PicturePreparation(size=(8, 9), cut_padding=True, colour=True, percentiles=(1, 99))
    assert PicturePreparation.from_json(made.to_json()) == made
    with pytest.raises(BadInput, match="'preparation' lacks or garbles 'size'"):
        PicturePreparation.from_json({})
