"""The shape alphabet: sizes, spacing, label lists, and the one flip of xyz and dhw."""

import pytest

from mos.errors import BadInput
from mos.shapes import flip_xyz_dhw, format_labels, parse_labels, parse_sizes, parse_spacing


def test_xyz_becomes_dhw_and_back_on_an_anisotropic_case():
    assert flip_xyz_dhw((1.4, 1.5, 10.0)) == (10.0, 1.5, 1.4)
    assert flip_xyz_dhw(flip_xyz_dhw((1, 2, 3))) == (1, 2, 3)
    assert flip_xyz_dhw([4, 5]) == (5, 4)


def test_a_flip_of_anything_but_a_pair_or_a_triple_is_a_mistake():
    with pytest.raises(ValueError, match="got 4"):
        flip_xyz_dhw((1, 2, 3, 4))


def test_sizes_are_two_or_three_whole_numbers():
    assert parse_sizes("128,96") == (128, 96)
    assert parse_sizes("16,128,96") == (16, 128, 96)


@pytest.mark.parametrize("text", ["", "8", "1,2,3,4", "a,b", "1.5,2", "-1,2", "1,,2", "8x8"])
def test_other_sizes_are_refused_with_an_example(text):
    with pytest.raises(BadInput, match="such as 128,128 or 16,128,128"):
        parse_sizes(text)


def test_spacing_is_three_lengths_in_mm():
    assert parse_spacing("10,1.5,1.5") == (10.0, 1.5, 1.5)
    assert parse_spacing("0,1e-1,2") == (0.0, 0.1, 2.0)


@pytest.mark.parametrize(
    "text", ["", "1", "1,2", "1,2,3,4", "a,b,c", "-1,1,1", "nan,1,1", "inf,1,1"]
)
def test_other_spacings_are_refused_with_an_example(text):
    with pytest.raises(BadInput, match="such as 10,1.5,1.5"):
        parse_spacing(text)


LISTS = [("", ()), ("1", (1,)), ("1,3-5,8", (1, 3, 4, 5, 8)), ("254-255", (254, 255))]


@pytest.mark.parametrize("text, labels", LISTS)
def test_a_label_list_is_read_and_written(text, labels):
    assert parse_labels(text) == labels
    assert format_labels(labels) in (text, text.replace("-", ","))
    assert parse_labels(format_labels(labels)) == labels


def test_label_lists_are_ascending_whatever_the_order_given():
    assert parse_labels("8, 1-2") == (1, 2, 8)
    assert format_labels([8, 2, 1, 3]) == "1-3,8"


@pytest.mark.parametrize(
    "text, problem",
    [
        ("a", "no id or range"),
        ("1,,2", "no id or range"),
        ("1-", "no id or range"),
        ("-3", "no id or range"),
        ("1-2-3", "no id or range"),
        ("5-3", "runs down; write 3-5"),
        ("0-3", "outside 1-255"),
        ("256", "outside 1-255"),
        ("1-3,2", "appears twice"),
    ],
)
def test_other_label_lists_are_refused_with_the_reason(text, problem):
    with pytest.raises(BadInput, match=problem):
        parse_labels(text)
