"""Figures of landmarks: marks on the middle of their pixel, true proportions, words that can be read."""

import numpy as np
import pytest

from mos.errors import BadInput
from mos.report.colour import POINT_COLOURS
from mos.report.figure_points import PointPlan, case_figure, score_line, sheet
from mos.report.place_words import place_words
from mos.report.point_images import PointImages, load_point_images, write_point_images

NAN = np.nan


def images_of(case="a", error=(5.0, NAN), **changes):
    """Two points on an image of 10 x 20 pixels, 0.5 mm high and 1 mm wide; the second is masked."""
    fields = {
        "case": case,
        "patient": case,
        "image": np.zeros((1, 10, 20), np.uint8),
        "reference": np.array([[4, 2], [NAN, NAN]], np.float32),
        "prediction": np.array([[7, 2 + 8], [1, 1]], np.float32),
        "error": np.array(error),
        "scale": (1.0, 0.5),
        "names": ("sella", "nasion"),
        "run": "unet-512",
        "setting": "heads-0",
        "epoch": 3,
    }
    return PointImages(**(fields | changes))


def test_a_mark_lies_on_the_middle_of_its_pixel_and_a_masked_point_has_none():
    (row,) = case_figure(images_of(), PointPlan()).cells
    plain, marked = row
    assert not plain.tile.lines and plain.bar
    lines = dict(marked.tile.lines)
    colours = POINT_COLOURS["classic"]
    np.testing.assert_allclose(lines[colours["error"]], [[[4.5, 2.5], [7.5, 10.5]]])
    for key, middle in (("reference", (4.5, 2.5)), ("prediction", (7.5, 10.5))):
        ends = lines[colours[key]]
        assert ends.shape == (2, 2, 2)
        np.testing.assert_allclose(ends.mean(axis=1), [middle, middle])
    assert [word.text for word in marked.tile.words] == ["5.0"]


def test_names_stand_beside_errors_on_request():
    ((_, marked),) = case_figure(images_of(), PointPlan(names=True)).cells
    assert [word.text for word in marked.tile.words] == ["sella 5.0"]


def test_proportions_are_those_of_the_patient():
    ((_, marked),) = case_figure(images_of(), PointPlan()).cells
    assert marked.size == (5.0, 20.0)


def test_a_score_line_says_how_many_points_count():
    assert score_line(images_of()) == "MRE 5.00 mm over 1 of 2 points; farthest: sella, 5.00 mm"
    assert score_line(images_of(error=(NAN, NAN))) == "no point is scored"


def test_a_sheet_has_its_cases_in_rows_and_one_scale_bar():
    grid = sheet([images_of(str(i)) for i in range(5)], PointPlan(sheet_columns=2), "x", "")
    assert [[cell is None for cell in row] for row in grid.cells] == [[0, 0], [0, 0], [0, 1]]
    assert [list(row) for row in grid.captions] == [["0", "1"], ["2", "3"], ["4", ""]]
    assert sum(cell.bar for row in grid.cells for cell in row if cell) == 1
    assert grid.cells[0][0].corner == "5.00 mm"


def test_words_beside_neighbours_do_not_overlap_and_stay_on_the_picture():
    points = np.array([[50, 50], [53, 50], [50, 53], [99, 1]], float)
    places = place_words(["1.0"] * 4, points, points, (100, 100), letter=4.0, gap=2.0)
    half = np.array([0.6 * 4 * 3, 1.2 * 4]) / 2
    boxes = [(np.array(place) - half, np.array(place) + half) for place in places]
    for i, (low, high) in enumerate(boxes):
        assert (low >= 0).all() and (high <= 100).all()
        for other_low, other_high in boxes[:i]:
            assert not (np.minimum(high, other_high) > np.maximum(low, other_low)).all()
        for point in points:
            assert not ((low < point) & (point < high)).all()


def test_no_points_have_no_words():
    none = np.zeros((0, 2))
    assert place_words([], none, none, (10, 10), letter=1.0, gap=1.0) == []


def test_a_file_comes_back_as_it_was_and_a_torn_one_is_refused(tmp_path):
    images = images_of("case/1")
    path = write_point_images(tmp_path, images)
    again = load_point_images(path)
    for name in ("image", "reference", "prediction", "error"):
        np.testing.assert_array_equal(getattr(again, name), getattr(images, name))
    assert (again.case, again.scale, again.names) == ("case/1", (1.0, 0.5), ("sella", "nasion"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadInput, match="landmark/cmd/plot-test makes it again"):
        load_point_images(path)


def test_arrays_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="error is"):
        write_point_images(None, images_of(error=(1.0, 2.0, 3.0)))
