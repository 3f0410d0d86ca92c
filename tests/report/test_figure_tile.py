"""Slices as pictures: fills, outlines and errors, found by eye."""

import dataclasses

import numpy as np
import pytest
from tests.report.test_case_images import images

from mos.report.colour import error_colours, label_colours
from mos.report.figure_tile import PARTS, Look, blend, make_tile, outline, shown_labels


def drawn(lines: np.ndarray) -> set[tuple]:
    """Lines as a set, their ends in order."""
    return {tuple(sorted(map(tuple, ends.tolist()))) for ends in lines}


def test_bright_images_do_not_wrap_around():
    case = images(image=np.full((1, 2, 3, 4), 250, np.uint8))
    assert (make_tile(case, 0, "image", Look()).rgb == 250).all()
    over = make_tile(case, 0, "image+reference", Look(opacity=0.5)).rgb
    expected = np.rint((250 + label_colours()[1].astype(float)) / 2)
    assert (over == expected).all()


def test_opacity_goes_from_image_to_colour():
    grey, ids = np.full((1, 2, 3), 100, np.uint8), np.array([[0, 1]])
    colours = np.array([(0, 0, 0), (200, 0, 50)], np.uint8)
    assert blend(grey, ids, colours, 0)[0].tolist() == [[100] * 3, [100] * 3]
    assert blend(grey, ids, colours, 1)[0].tolist() == [[100] * 3, [200, 0, 50]]


def test_labels_without_image_are_colours_on_black():
    case = images(prediction=np.array([[[0, 1, 2, 0]] * 3] * 2, np.uint8))
    rgb = make_tile(case, 1, "prediction", Look(palette="classic")).rgb
    assert (rgb == label_colours("classic")[case.prediction[1]]).all()
    assert not rgb[:, 0].any()


def test_an_error_map_has_the_error_colours():
    prediction = np.array([[[0, 1, 1, 1]] * 3] * 2, np.uint8)
    rgb = make_tile(images(prediction=prediction), 0, "error", Look()).rgb
    _, correct, _, missed, _ = error_colours()
    assert (rgb[:, 0] == missed).all() and (rgb[:, 1:] == correct).all()


def test_the_outline_of_one_voxel_is_its_four_sides():
    mask = np.zeros((4, 5), bool)
    mask[1, 2] = True
    square = {((2, 1), (2, 2)), ((3, 1), (3, 2)), ((2, 1), (3, 1)), ((2, 2), (3, 2))}
    assert drawn(outline(mask)) == square


def test_straight_borders_are_one_line_and_holes_have_borders():
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    outer = {((0, 0), (0, 3)), ((3, 0), (3, 3)), ((0, 0), (3, 0)), ((0, 3), (3, 3))}
    inner = {((1, 1), (1, 2)), ((2, 1), (2, 2)), ((1, 1), (2, 1)), ((1, 2), (2, 2))}
    assert drawn(outline(ring)) == outer | inner
    assert outline(np.zeros((3, 3), bool)).shape == (0, 2, 2)


def test_outlines_leave_the_image_as_it_is():
    look = Look(outline=True)
    tile = make_tile(images(), 0, "image+reference", look)
    assert (tile.rgb == make_tile(images(), 0, "image", look).rgb).all()
    ((colour, lines),) = tile.lines
    assert colour == tuple(label_colours()[1].tolist()) and len(lines) == 4
    # A part without an image below has nothing to leave free.
    assert not make_tile(images(), 0, "reference", look).lines


@pytest.mark.parametrize("outlined", [False, True])
@pytest.mark.parametrize("part", PARTS)
def test_any_number_of_labels_and_channels_is_drawn(part, outlined):
    ids = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    case = images(
        image=np.zeros((3, 1, 16, 16), np.uint8),
        reference=ids,
        prediction=ids[:, ::-1].copy(),
        positions=np.zeros(1),
        scored=tuple(range(1, 256)),
    )
    tile = make_tile(case, 0, part, Look(channel=2, outline=outlined))
    assert tile.rgb.shape == (16, 16, 3) and tile.rgb.dtype == np.uint8


def test_the_legend_names_labels_that_occur():
    case = images(labels={0: "background", 1: "heart", 2: "scar"})
    assert shown_labels([case], ["image+error"]) == {}
    assert shown_labels([case], ["prediction"]) == {}
    assert shown_labels([case], ["prediction", "image+reference"]) == {1: "heart"}
    other = dataclasses.replace(case, prediction=np.full((2, 3, 4), 9, np.uint8))
    assert shown_labels([case, other], ["prediction", "reference"]) == {1: "heart", 9: "9"}
