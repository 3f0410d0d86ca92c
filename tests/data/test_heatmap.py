"""Gaussians where the points are, and points where the peaks are: to a tenth of a pixel."""

import pytest
import torch

from mos.data.heatmap import decode, from_grid, heatmaps, profiles, to_grid

SIZE = (24, 32)  # of the grid


def drawn(points, stride=1, sigma=2.0, size=SIZE):
    """(1, point_count, h, w) heatmaps of points [x, y] of the image."""
    points = torch.tensor([points], dtype=torch.float32)
    return heatmaps(*profiles(to_grid(points, stride), size, sigma))


def test_a_peak_is_where_the_point_is_and_not_at_the_nearest_pixel():
    heat = drawn([[3.25, 5.0]])[0, 0]
    assert heat[5, 3] == pytest.approx(torch.exp(torch.tensor(-0.5 * (0.25 / 2) ** 2)).item())
    assert heat[5, 3] > heat[5, 4] > heat[5, 2] and heat[4, 3] == heat[6, 3]


def test_the_first_pixel_of_a_coarse_grid_lies_in_the_middle_of_what_it_covers():
    assert to_grid(torch.tensor([0.5, 4.5]), 2).tolist() == [0.0, 2.0]
    assert to_grid(torch.tensor([1.5]), 4).tolist() == [0.0]
    places = torch.tensor([-0.4, 0.0, 7.3])
    assert torch.allclose(from_grid(to_grid(places, 4), 4), places)


def test_an_unknown_point_draws_nothing():
    assert drawn([[float("nan"), float("nan")], [4.0, 4.0]])[0].sum((1, 2)).tolist()[0] == 0


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("method", ["centroid", "taylor"])
def test_a_peak_is_found_to_a_tenth_of_a_pixel(method, stride):
    h, w = (side * stride for side in SIZE)
    random = torch.Generator().manual_seed(0)
    points = torch.rand(200, 2, generator=random) * torch.tensor([w - 1.0, h - 1.0])
    found = decode(drawn(points.tolist(), stride), stride=stride, method=method, radius=6)[0]
    assert (found - points).norm(dim=1).max() < 0.1


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("method", ["centroid", "taylor"])
def test_a_peak_on_the_border_is_found_as_well(method, stride):
    h, w = (side * stride for side in SIZE)
    points = [[-0.3, 7.0], [w - 0.7, 0.2], [0.4, h - 0.6], [w - 1.0, h - 1.0], [w / 2, -0.49]]
    found = decode(drawn(points, stride), stride=stride, method=method, radius=6)[0]
    assert (found - torch.tensor(points)).norm(dim=1).max() < 0.1


def test_the_largest_pixel_alone_is_up_to_half_a_pixel_off():
    found = decode(drawn([[10.4, 8.0]]), stride=1, method="argmax")
    assert found.tolist() == [[[10.0, 8.0]]]


def test_the_centre_of_mass_is_that_of_the_hill_and_not_of_the_whole_map():
    heat = drawn([[10.3, 8.6]]) + 0.6 * drawn([[25.0, 20.0]])
    found = decode(heat, stride=1, method="centroid", radius=6)
    assert (found - torch.tensor([10.3, 8.6])).abs().max() < 0.1


@pytest.mark.parametrize("method", ["centroid", "taylor", "argmax"])
def test_a_map_without_a_hill_gives_a_pixel_of_it(method):
    for heat in (torch.zeros(1, 1, 6, 6), torch.ones(1, 1, 6, 6), torch.eye(6)[None, None]):
        found = decode(heat, stride=1, method=method, radius=2)
        assert torch.isfinite(found).all() and (found >= -1).all() and (found <= 6).all()
    assert decode(torch.ones(1, 1, 2, 2), stride=1, method=method, radius=1).shape == (1, 1, 2)


def test_an_elongated_and_tilted_hill_is_followed_by_the_taylor_step():
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    dx, dy = x - 12.3, y - 9.6
    heat = torch.exp(-(dx**2 + 1.2 * dx * dy + dy**2) / 8)[None, None]
    found = decode(heat, stride=1, method="taylor")[0, 0]
    assert (found - torch.tensor([12.3, 9.6])).abs().max() < 0.01


def test_an_unknown_method_is_an_error():
    with pytest.raises(ValueError, match="unknown decoding"):
        decode(torch.zeros(1, 1, 4, 4), stride=1, method="median")
