"""Turning and resampling a grid keeps every voxel where it is in the patient."""

import itertools

import numpy as np
import pytest

from mos.errors import BadInput
from mos.io.geometry import Grid, find_turn, same_grid, with_spacing


def grid_of(direction, shape=(4, 5, 6), spacing=(3.0, 2.0, 1.0), origin=(7.0, 8.0, 9.0)) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = direction * np.array(spacing[::-1])
    affine[:3, 3] = origin
    return Grid(shape, affine)


def signed_permutations():
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            yield np.eye(3)[:, order] * signs


@pytest.mark.parametrize("direction", signed_permutations())
def test_every_axis_order_and_mirroring_turns_to_lps_and_back(direction):
    grid = grid_of(direction)
    turn = find_turn(grid, "LPS")
    new = turn.grid(grid)
    assert np.array_equal(new.direction, np.eye(3))
    # Each voxel's value is its own position: it must still be after the turn.
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1)[..., ::-1]
    places = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    for axis in range(3):
        moved = turn.array(places[..., axis])
        assert moved.shape == new.shape
        index_new = np.stack(np.meshgrid(*map(np.arange, new.shape), indexing="ij"), -1)[..., ::-1]
        assert np.allclose(moved, (index_new @ new.affine[:3, :3].T + new.affine[:3, 3])[..., axis])
        assert np.array_equal(turn.undo(moved), places[..., axis])


def test_an_oblique_stack_keeps_its_tilt(turned):
    grid = grid_of(turned(20, 20, 20))
    turn = find_turn(grid, "LPS")
    assert turn.source == (0, 1, 2) and not any(turn.flip)


def test_slices_stay_d_when_asked_even_if_they_are_sagittal():
    sagittal = np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])  # x to P, y to I, slices to R
    grid = grid_of(sagittal)
    assert find_turn(grid, "LPS").source != (0, 1, 2)
    turn = find_turn(grid, "slices")
    assert turn.source == (0, 1, 2) and turn.flip == (False, False, True)


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("axial", lambda patient: patient),
        ("coronal", lambda patient: patient.transpose(1, 0, 2)[:, ::-1]),
        ("sagittal", lambda patient: patient.transpose(2, 0, 1)[:, ::-1]),
    ],
)
@pytest.mark.parametrize("direction", list(signed_permutations())[::7])
def test_a_view_shows_its_slices_the_usual_way_however_the_image_is_stored(view, shown, direction):
    grid = grid_of(direction)
    patient = np.arange(120).reshape(find_turn(grid, "LPS").grid(grid).shape)  # S, P, L
    stored = find_turn(grid, "LPS").undo(patient)
    # Slices towards P or L; in them feet are below, and left or back is to the right.
    assert np.array_equal(find_turn(grid, view).array(stored), shown(patient))


def test_an_unknown_orientation_is_refused():
    with pytest.raises(BadInput, match="three letters such as LPS"):
        find_turn(grid_of(np.eye(3)), "LLS")


def test_resampling_keeps_the_centre_and_stays_inside(turned):
    grid = grid_of(turned(10, 20, 30), shape=(17, 30, 31), spacing=(5.0, 1.4, 1.4))
    new = with_spacing(grid, (10, 1.5, 0))
    assert new.shape == (9, 28, 31)
    assert np.allclose(new.spacing, (10, 1.5, 1.4))
    centre = [g.affine @ [*((np.array(g.shape[::-1]) - 1) / 2), 1] for g in (grid, new)]
    assert np.allclose(*centre)


def test_a_spacing_that_differs_by_rounding_is_kept():
    grid = grid_of(np.eye(3), spacing=(1.0004, 0.9996, 1.0))
    assert with_spacing(grid, (1, 1, 1)).affine is not None
    assert np.array_equal(with_spacing(grid, (1, 1, 1)).affine, grid.affine)


def test_rounding_of_an_affine_is_the_same_grid_and_half_a_voxel_is_not():
    grid = grid_of(np.eye(3))
    assert same_grid(grid, grid_of(np.eye(3), origin=(7.0001, 8.0, 9.0)))
    assert not same_grid(grid, grid_of(np.eye(3), origin=(7.5, 8.0, 9.0)))
    assert not same_grid(grid, grid_of(np.eye(3), spacing=(3.3, 2.0, 1.0)))
    assert not same_grid(grid, grid_of(np.diag([-1.0, 1, 1])))
