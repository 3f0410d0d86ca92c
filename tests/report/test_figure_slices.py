"""Which slices are shown, and which part of them."""

import numpy as np
import pytest
from tests.report.test_case_images import images

from mos.errors import BadInput
from mos.report.figure_slices import choose_slices, crop, frame, slice_text, spread_slices


def deep(reference: list[int], prediction: list[int], **changes):
    """A case whose slices have so many voxels of label 1, from the left of one row of 8."""

    def volume(counts):
        return np.array([[[1] * count + [0] * (8 - count)] for count in counts], np.uint8)

    depth = len(reference)
    fields = dict(
        image=np.zeros((1, depth, 1, 8), np.uint8),
        reference=volume(reference),
        prediction=volume(prediction),
        positions=np.arange(depth) * 5.0,
    )
    return images(**fields | changes)


def test_slices_are_spread_over_the_target():
    case = deep([0, 0, 1, 1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1, 1, 0])
    assert spread_slices(case, 3) == [2, 5, 8]
    assert spread_slices(case, 1) == [5]
    assert spread_slices(case, 50) == [2, 3, 4, 5, 6, 7, 8]
    assert spread_slices(case, 0) == list(range(10))


def test_without_a_target_they_are_spread_over_the_volume():
    assert spread_slices(deep([0] * 9, [0] * 9), 3) == [0, 4, 8]
    assert spread_slices(deep([0], [0]), 8) == [0]


def test_rules_by_eye():
    one = deep([0, 2, 5, 3, 0], [0, 2, 5, 0, 8])
    two = deep([0, 2, 5, 3, 0], [7, 2, 5, 0, 8])
    assert choose_slices([one, two], "largest") == [2]
    assert choose_slices([one], "middle") == [2]
    assert choose_slices([one, two], "error") == [4]  # 8 + 8, against 7 and 3 + 3
    assert choose_slices([one, two], "disagreement") == [0]
    assert choose_slices([one, two], "spread:3") == [1, 2, 3]
    assert choose_slices([deep([0, *[1] * 8], [1] * 9)], "spread:2") == [3, 7]
    assert choose_slices([deep([0, *[1] * 8], [1] * 9)], "spread:20") == list(range(1, 9))
    assert choose_slices([one, two], "4") == [3]


def test_of_equal_slices_the_one_in_the_middle_is_shown():
    same = deep([1] * 7, [1] * 7)
    assert [choose_slices([same], rule) for rule in ("largest", "error", "disagreement")] == [
        [3]
    ] * 3
    assert choose_slices([deep([0] * 7, [0] * 7)], "middle") == [3]


@pytest.mark.parametrize("rule", ["spread", "spread:0", "0", "-1", "bigest", "", "1.5"])
def test_a_wrong_rule_is_named(rule):
    with pytest.raises(BadInput, match="--slice .*: needs largest, middle"):
        choose_slices([deep([1], [1])], rule)


def test_a_slice_that_is_not_there_is_named():
    with pytest.raises(BadInput, match="--slice 3: b17 has slices 1 to 2"):
        choose_slices([deep([1, 1], [1, 1])], "3")


def square_case(rows, columns, spacing):
    """A target of 4 x 2 voxels in a slice of 40 x 40."""
    reference = np.zeros((1, 40, 40), np.uint8)
    reference[0, rows, columns] = 1
    return images(
        image=np.zeros((1, 1, 40, 40), np.uint8),
        reference=reference,
        prediction=np.zeros_like(reference),
        positions=np.zeros(1),
        spacing=spacing,
    )


def test_the_frame_is_square_in_mm_around_the_target():
    # 4 x 2 mm and 2 x 4 mm: 4 mm and half of that on both sides are 8 mm, 8 voxels by 4.
    case = square_case(slice(10, 14), slice(20, 21), (5.0, 1.0, 2.0))
    assert frame([case], 0.5) == (slice(8, 16), slice(18, 22))
    assert crop(case, frame([case], 0.5)).reference.shape == (1, 8, 4)


def test_all_slices_of_a_case_have_one_frame():
    reference = np.zeros((2, 40, 40), np.uint8)
    reference[0, 10:20, 10:20] = reference[1, 15, 15] = 1
    case = square_case(slice(0, 0), slice(0, 0), (5.0, 1.0, 1.0))
    both = images(**{**vars(case), "reference": reference})
    assert frame([both], 0.1) == (slice(9, 21), slice(9, 21))


def test_the_frame_stays_inside_the_image():
    case = square_case(slice(0, 4), slice(38, 40), (5.0, 1.0, 1.0))
    rows, columns = frame([case], 1.0)
    assert (rows, columns) == (slice(0, 12), slice(28, 40))
    assert frame([case], 100.0) == (slice(0, 40), slice(0, 40))


def test_without_a_reference_the_predictions_are_framed():
    case = square_case(slice(0, 0), slice(0, 0), (5.0, 1.0, 1.0))
    assert frame([case], 0.5) == (slice(None), slice(None))
    prediction = np.zeros((1, 40, 40), np.uint8)
    prediction[0, 10:12, 10:12] = 1
    other = images(**{**vars(case), "prediction": prediction})
    assert frame([case, other], 0.5) == (slice(9, 13), slice(9, 13))


def test_a_slice_says_where_it_is():
    assert slice_text(images(), 1) == "2/2 · 7.5 mm"
