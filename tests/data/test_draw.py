"""What chance decides for a sample, and what it must not."""

import numpy as np
import pytest

from mos.data.draw import draw_sample

FLAT, EVEN = (10.0, 1.5, 1.5), (1.0, 1.0, 1.0)


def draw(seed, level=3, box=((0, 8), (2, 30), (0, 40)), crop=(4, 16, 16), spacing=EVEN, **more):
    return draw_sample(seed, level=level, box=box, crop_size=crop, spacing=spacing, **more)


def kept(one, crop):
    """The stored positions along the first axis that the crop's slices come from."""
    return one.centre[0] + one.matrix[0, 0] * (np.arange(crop) - (crop - 1) / 2)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_the_same_seed_draws_the_same_sample(level):
    one, two = draw(7, level), draw(7, level)
    assert (one.centre == two.centre).all() and (one.matrix == two.matrix).all()
    assert (one.noise, one.blur, one.gamma) == (two.noise, two.blur, two.gamma)


def test_another_seed_draws_another_sample():
    assert (
        len({draw(seed).centre.tobytes() + draw(seed).matrix.tobytes() for seed in range(50)}) > 45
    )


def test_level_0_is_the_centre_of_the_image_whatever_the_seed():
    for seed in range(5):
        one = draw(seed, 0)
        assert one.centre.tolist() == [3.5, 15.5, 19.5]
        assert not one.moves_grid and one.noise == one.blur == 0 and one.gamma == one.contrast == 1


def test_level_1_moves_the_window_but_never_off_the_image():
    centres = np.array([draw(seed, 1).centre for seed in range(300)])
    low, high = centres - (1.5, 7.5, 7.5), centres + (1.5, 7.5, 7.5)
    assert low.min(0).tolist() == [0, 2, 0]
    assert high.max(0).tolist() == [7, 29, 39]
    assert not any(draw(seed, 1).moves_grid for seed in range(20))


def test_level_2_turns_and_scales_but_leaves_intensity_alone():
    draws = [draw(seed, 2) for seed in range(50)]
    assert any(one.moves_grid for one in draws)
    assert all(one.gamma == one.contrast == 1 and one.noise == 0 for one in draws)


def test_level_3_changes_intensity_in_some_samples():
    draws = [draw(seed, 3) for seed in range(200)]
    for name, off in (("contrast", 1), ("brightness", 0), ("gamma", 1), ("noise", 0), ("blur", 0)):
        changed = [getattr(one, name) != off for one in draws]
        assert 0.1 < np.mean(changed) < 0.7, name


def test_thick_slices_are_turned_in_their_plane_only():
    for seed in range(100):
        matrix = draw(seed, 2, spacing=FLAT).matrix
        assert not matrix[0, 1:].any() and not matrix[1:, 0].any()
        assert abs(matrix[0, 0]) == pytest.approx(1)


def test_cubes_are_turned_out_of_the_plane_too():
    assert any(abs(draw(seed, 2).matrix[0, 1]) > 0.1 for seed in range(50))


def test_turning_keeps_lengths_in_millimetres_not_in_voxels():
    spacing = (2.0, 1.0, 1.5)
    for seed in range(50):
        matrix = draw(seed, 2, spacing=spacing).matrix
        in_mm = np.diag(spacing) @ matrix @ np.diag(1 / np.array(spacing))
        gram = in_mm.T @ in_mm
        assert np.allclose(gram, gram[0, 0] * np.eye(3), atol=1e-9)
        assert 0.75 - 1e-9 <= np.sqrt(gram[0, 0]) <= 1.3 + 1e-9


@pytest.mark.parametrize("axes", ["", "w", "hw", "dhw"])
def test_only_the_named_axes_are_mirrored(axes):
    # A turn of at most 45 degrees leaves the sign of the diagonal to the flips.
    signs = [np.sign(np.diag(draw(s, 2, spacing=FLAT, flip_axes=axes).matrix)) for s in range(200)]
    mirrored = (np.array(signs) < 0).mean(0)
    for place, axis in enumerate("dhw"):
        assert (0.3 < mirrored[place] < 0.7) if axis in axes else mirrored[place] == 0


def test_2d_samples_are_drawn_by_the_same_rules():
    one = draw_sample(3, level=3, box=((0, 20), (4, 24)), crop_size=(8, 8), spacing=(1.0, 2.0))
    assert one.centre.shape == (2,) and one.matrix.shape == (2, 2)
    centre = draw_sample(3, level=0, box=((0, 20), (4, 24)), crop_size=(8, 8), spacing=(1.0, 2.0))
    assert centre.centre.tolist() == [9.5, 13.5]


def test_a_window_larger_than_the_image_is_centred_on_it():
    assert draw(1, 1, box=((2, 4), (0, 16), (0, 16))).centre.tolist() == [2.5, 7.5, 7.5]


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("start, stop", [(0, 9), (1, 10), (3, 19), (0, 5), (2, 30)])
def test_strided_slices_are_whole_slices_of_the_image(level, start, stop):
    strides = set()
    for seed in range(60):
        one = draw(
            seed, level, box=((start, stop), (0, 16), (0, 16)), crop=(5, 16, 16), deep_maxscale=3
        )
        slices = kept(one, 5)
        assert (slices == np.rint(slices)).all()
        assert slices.min() >= start and slices.max() < stop
        strides.add(one.matrix[0, 0])
    most = min(3, (stop - start - 1) // 4)
    assert strides == set(range(1, most + 1))


def test_a_stride_changes_nothing_within_the_slices():
    one = draw(0, 1, box=((0, 40), (0, 16), (0, 16)), deep_maxscale=4)
    assert (one.matrix[1:, 1:] == np.eye(2)).all()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_as_many_samples_are_turned_as_asked_for(share):
    draws = [
        draw_sample(
            seed,
            level=3,
            box=[(0, 20), (0, 20)],
            crop_size=(8, 8),
            spacing=(1.0, 1.0),
            flip_axes="",
            turned_share=share,
        )
        for seed in range(400)
    ]
    assert abs(sum(draw.moves_grid for draw in draws) / 400 - share) < 0.07
