"""Points between a stored image and its original, on the image and off it, and in a mirror."""

import numpy as np
import pytest
import torch

from mos.data.points import NAME_LISTS, on_image, swap_order, to_original, to_stored
from mos.errors import BadInput


def test_the_centre_of_a_pixel_of_half_size_lies_between_four_original_ones():
    # Stored pixel 0 covers original pixels 0 and 1, whose centres are 0 and 1; 5 more were cut off.
    assert to_original(
        np.array([0.0, 0.0]), np.array([2.0, 2.0]), np.array([5.0, 0.0])
    ).tolist() == [
        5.5,
        0.5,
    ]


@pytest.mark.parametrize("kind", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_there_and_back_is_where_one_was(kind):
    points = kind([[3.25, 100.0], [-7.0, 0.5]])
    factor, offset = kind([1.89, 1.91]), kind([12.0, 3.0])
    back = to_stored(to_original(points, factor, offset), factor, offset)
    assert np.allclose(np.asarray(back), np.asarray(points), atol=1e-5)


def test_a_point_is_on_the_image_up_to_the_edge_of_its_last_pixel():
    points = np.array([[-0.5, 0], [-0.51, 0], [4.49, 2.49], [4.5, 0], [0, 2.5], [np.nan, 1]])
    assert on_image(points, (3, 5)).tolist() == [True, False, True, False, False, False]


def test_swapped_points_change_places_and_the_others_stay():
    assert swap_order(5, [(0, 3), (4, 1)]) == [3, 4, 2, 0, 1]


@pytest.mark.parametrize("pairs", [[(0, 5)], [(-1, 2)], [(1, 1)], [(0, 1), (1, 2)]])
def test_a_swap_that_is_none_is_refused(pairs):
    with pytest.raises(BadInput, match="swap pair"):
        swap_order(5, pairs)


def test_named_lists_name_every_point_once():
    for names in NAME_LISTS.values():
        assert len(set(names)) == len(names)
    assert len(NAME_LISTS["isbi2015"]) == 19
