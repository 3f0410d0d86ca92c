"""Crops and augmentation on pictures whose answer is seen by eye."""

import itertools
import math

import numpy as np
import pytest
import torch

from mos.data import augment
from mos.data.augment import make_batch
from mos.data.draw import Draw, draw_sample

CPU = torch.device("cpu")
SPACINGS = {2: [(1.0, 1.0)], 3: [(1.0, 1.0, 1.0), (10.0, 1.5, 1.5)]}


def picture(*rows):
    """(1, 2, h, w): the drawing as image (times 10) and as segmentation."""
    segment = torch.tensor([[int(c) for c in row] for row in rows], dtype=torch.uint8)
    return torch.stack([segment * 10, segment])[None]


def crop(volumes, draws, size, rows=None, seeds=None):
    rows = rows if rows is not None else range(len(draws))
    seeds = seeds if seeds is not None else range(len(draws))
    return make_batch(volumes, list(rows), list(draws), list(seeds), size, CPU)


def whole(shape, matrix):
    return Draw((np.array(shape) - 1) / 2, np.array(matrix, dtype=float))


def seen(image, segment):
    """The drawing again; image and segmentation must show the same."""
    assert torch.allclose(image[:, 0] * 255, segment.float() * 10, atol=1e-3)
    return ["".join(str(int(v)) for v in row) for row in segment[0]]


L = picture("12000", "13000", "14567", "00000", "00000")


@pytest.mark.parametrize(
    "matrix, expected",
    [
        ([[1, 0], [0, 1]], ["12000", "13000", "14567", "00000", "00000"]),
        ([[1, 0], [0, -1]], ["00021", "00031", "76541", "00000", "00000"]),
        ([[-1, 0], [0, 1]], ["00000", "00000", "14567", "13000", "12000"]),
        ([[0, 1], [1, 0]], ["11100", "23400", "00500", "00600", "00700"]),
        ([[0, 1], [-1, 0]], ["00700", "00600", "00500", "23400", "11100"]),
    ],
    ids=["as it is", "left-right", "up-down", "transposed", "quarter turn"],
)
def test_a_drawing_is_mirrored_and_turned_with_its_label(matrix, expected):
    assert seen(*crop(L, [whole((5, 5), matrix)], (5, 5))) == expected


def test_half_the_scale_doubles_the_drawing():
    dot = picture("00000", "01100", "01100", "00000", "00000")
    _, segment = crop(dot, [Draw(np.array([1.5, 1.5]), np.eye(2) / 2)], (4, 4))
    assert segment[0].tolist() == [[1] * 4] * 4


def test_beyond_the_stored_grid_there_is_background():
    full = torch.full((1, 2, 4, 4), 3, dtype=torch.uint8)
    _, segment = crop(full, [whole((4, 4), np.eye(2) * 3)], (4, 4))
    assert segment[0].tolist() == [[0] * 4, [0, 3, 3, 0], [0, 3, 3, 0], [0] * 4]


@pytest.mark.parametrize("dims", [2, 3])
def test_level_0_is_the_centre_crop_voxel_for_voxel(dims):
    random = torch.Generator().manual_seed(0)
    volumes = torch.randint(0, 255, (2, 3, *(7, 9, 10)[-dims:]), generator=random).to(torch.uint8)
    size = (4, 5, 6)[-dims:]
    box = [(0, n) for n in volumes.shape[2:]]
    one = draw_sample(0, level=0, box=box, crop_size=size, spacing=(1.0,) * dims)
    image, segment = crop(volumes, [one, one], size)
    window = tuple(slice((n - s) // 2, (n - s) // 2 + s) for n, s in zip(volumes.shape[2:], size))
    wanted = volumes[(slice(None), slice(None), *window)]
    assert torch.equal(image, wanted[:, :2].float() / 255)
    assert torch.equal(segment, wanted[:, 2].long())
    assert image.shape == (2, 2, *size) and segment.dtype == torch.int64


def noise_volumes(dims, channels=1, n=4):
    """Smooth blobs of label 1..3 and an image made from them, (n, channels + 1, ...)."""
    shape = (12, 24, 26)[-dims:]
    random = np.random.default_rng(0)
    field = sum(
        np.sin(axis * random.uniform(0.3, 0.6) + random.uniform(0, 6, (n, *[1] * dims)))
        for axis in np.meshgrid(*[np.arange(s) for s in shape], indexing="ij")
    )
    segment = np.digitize(field, [-0.8, 0.0, 0.8]).astype(np.uint8)
    images = [segment * 60 + 10 * c for c in range(channels)]
    return torch.from_numpy(np.stack([*images, segment], 1).astype(np.uint8))


CASES = [(dims, spacing) for dims in (2, 3) for spacing in SPACINGS[dims]]


def samples(dims, spacing, level, seeds, volumes, rows, size=None, **more):
    size = size or (6, 16, 16)[-dims:]
    box = [(0, n) for n in volumes.shape[2:]]
    draws = [
        draw_sample(seed, level=level, box=box, crop_size=size, spacing=spacing, **more)
        for seed in seeds
    ]
    return crop(volumes, draws, size, rows, seeds)


@pytest.mark.parametrize("dims, spacing", CASES)
def test_the_label_stays_on_its_image(dims, spacing):
    volumes = noise_volumes(dims)
    image, segment = samples(dims, spacing, 2, range(8), volumes, [0, 1, 2, 3] * 2)
    # The image is 60 x label; interpolation blurs it by less than half a step except at outlines.
    agree = ((image[:, 0] * 255 / 60).round().long() == segment).float().mean()
    assert agree > 0.9
    assert set(segment.unique().tolist()) <= {0, 1, 2, 3}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dims, spacing", CASES)
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_sample_does_not_depend_on_its_batch(level, dims, spacing, channels):
    volumes, seeds, rows = noise_volumes(dims, channels), list(range(20, 28)), [0, 1, 2, 3] * 2
    together = samples(dims, spacing, level, seeds, volumes, rows, deep_maxscale=2)
    for part in (slice(0, 2), slice(2, 4), slice(4, 5), slice(5, 8)):
        image, segment = samples(
            dims, spacing, level, seeds[part], volumes, rows[part], deep_maxscale=2
        )
        assert torch.allclose(image, together[0][part], atol=2e-4)
        assert (segment == together[1][part]).float().mean() > 0.999


def test_an_image_smaller_than_the_window_does_not_depend_on_its_batch_either():
    volumes = noise_volumes(3)
    box = [(0, 3), (0, 24), (0, 26)]
    given = {"box": box, "crop_size": (8, 16, 16), "spacing": (10.0, 1.5, 1.5), "level": 2}
    draws = [draw_sample(seed, **given) for seed in range(40)]
    still = next(one for one in draws if not one.moves_grid)
    moved = next(one for one in draws if one.moves_grid)
    alone = crop(volumes, [still], (8, 16, 16))
    mixed = crop(volumes, [still, moved], (8, 16, 16))
    assert torch.allclose(alone[0][0], mixed[0][0], atol=1e-4)
    assert torch.equal(alone[1][0], mixed[1][0])


def test_a_scaled_cube_is_interpolated_between_slices_even_when_nothing_is_tilted():
    ramp = torch.zeros(1, 2, 9, 4, 4, dtype=torch.uint8)
    ramp[0, 0] = (torch.arange(9, dtype=torch.uint8) * 20)[:, None, None]
    image, _ = crop(ramp, [whole((9, 4, 4), np.diag([0.75, 1, 1]))], (5, 4, 4))
    assert (image[0, 0, :, 1, 1] * 255).tolist() == pytest.approx([50, 65, 80, 95, 110], abs=1e-2)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_stride_takes_every_so_many_slices(stride):
    volumes = torch.zeros(1, 2, 13, 4, 4, dtype=torch.uint8)
    volumes[0] = torch.arange(13, dtype=torch.uint8)[:, None, None]
    one = Draw(np.array([1 + stride * 1.5, 1.5, 1.5]), np.diag([float(stride), 1, 1]))
    image, segment = crop(volumes, [one], (4, 4, 4))
    expected = [1 + stride * i for i in range(4)]
    assert segment[0, :, 0, 0].tolist() == expected
    assert (image[0, 0, :, 2, 3] * 255).tolist() == pytest.approx(expected)


def plain(**changes):
    return Draw(np.array([7.5, 7.5]), np.eye(2), **changes)


def test_noise_repeats_for_its_seed_and_differs_between_samples():
    volumes = torch.full((1, 2, 16, 16), 100, dtype=torch.uint8)
    noisy = plain(noise=0.05)
    image, segment = crop(volumes, [noisy] * 3, (16, 16), rows=[0, 0, 0], seeds=[1, 2, 1])
    assert torch.equal(image[0], image[2]) and not torch.equal(image[0], image[1])
    assert float(image[0].std()) == pytest.approx(0.05, rel=0.2)
    assert (segment == 100).all()


def test_channels_get_noise_of_their_own():
    volumes = torch.full((1, 3, 16, 16), 100, dtype=torch.uint8)
    image, _ = crop(volumes, [plain(noise=0.05)], (16, 16))
    assert not torch.equal(image[0, 0], image[0, 1])


def test_contrast_brightness_and_gamma_follow_their_formula():
    volumes = noise_volumes(2)[:, :, :16, :16]
    before = volumes[0, 0].double() / 255
    image, _ = crop(volumes, [plain(contrast=1.3, brightness=0.05, gamma=1.4)], (16, 16))
    mean = before.mean()
    wanted = ((before - mean) * 1.3 + mean + 0.05).clamp(min=0) ** 1.4
    assert torch.allclose(image[0, 0].double(), wanted, atol=1e-5)
    assert torch.isfinite(image).all()


def test_blur_spreads_a_dot_evenly_and_keeps_its_mass():
    volumes = torch.zeros(1, 2, 16, 16, dtype=torch.uint8)
    volumes[0, 0, 8, 8] = 255
    image, _ = crop(volumes, [plain(blur=1.0)], (16, 16))
    dot = image[0, 0]
    assert float(dot.sum()) == pytest.approx(1, abs=1e-5)
    assert dot[8, 7] == pytest.approx(float(dot[7, 8])) and dot[8, 8] > dot[8, 7] > dot[8, 6] > 0


def test_blur_stays_in_the_slice():
    volumes = torch.zeros(1, 2, 3, 16, 16, dtype=torch.uint8)
    volumes[0, 0, 1] = 200
    one = Draw(np.array([1, 7.5, 7.5]), np.eye(3), blur=1.0)
    image, _ = crop(volumes, [one], (3, 16, 16))
    assert image[0, 0, :, 8, 8].tolist() == pytest.approx([0, 200 / 255, 0], abs=1e-5)


def test_the_dataset_itself_is_never_changed():
    volumes = noise_volumes(3)
    before = volumes.clone()
    for level in range(4):
        samples(3, (1.0, 1.0, 1.0), level, range(4), volumes, range(4))
    assert torch.equal(volumes, before)


def test_a_turn_by_45_degrees_turns_a_bar_into_a_diagonal():
    bar = torch.zeros(1, 2, 21, 21, dtype=torch.uint8)
    bar[0, :, 9:12, :] = 1
    turn = math.sqrt(0.5)
    _, segment = crop(bar, [whole((21, 21), [[turn, -turn], [turn, turn]])], (15, 15))
    diagonal = torch.eye(15, dtype=torch.int64)
    assert (segment[0][diagonal > 0] == 1).all()
    assert not segment[0].flip(1)[:5, :5].diagonal().any()


@pytest.mark.parametrize("level", [0, 1, 3])
def test_a_slice_named_in_its_volume_is_the_slice_lifted_out_of_it(level):
    volumes, places, seeds = noise_volumes(3), [(0, 2), (3, 1), (1, 2)], [5, 6, 7]
    lifted = torch.stack([volumes[row, :, index] for row, index in places])
    box = [(0, size) for size in lifted.shape[2:]]
    draws = [
        draw_sample(seed, level=level, box=box, crop_size=(16, 16), spacing=(1.0, 1.0))
        for seed in seeds
    ]
    inside = make_batch(volumes, places, draws, seeds, (16, 16), CPU)
    outside = make_batch(lifted, [0, 1, 2], draws, seeds, (16, 16), CPU)
    assert all(torch.equal(a, b) for a, b in zip(inside, outside))


@pytest.mark.parametrize("crop_size", [(12, 10), (5, 12, 10)])
def test_mirrored_crops_are_copied_to_what_interpolation_makes_of_them(monkeypatch, crop_size):
    """The fast path against the plain one, for every combination of mirrored axes."""
    dims = len(crop_size)
    random = torch.Generator().manual_seed(0)
    volumes = torch.randint(0, 256, (3, 2, *(7, 20, 16)[-dims:]), generator=random).byte()
    flips = list(itertools.product([-1.0, 1.0], repeat=dims))
    lowest = (np.array(crop_size) - 1) / 2
    draws = [
        Draw(lowest + number % 3, np.diag(flip), contrast=1.2, gamma=0.8)
        for number, flip in enumerate(flips)
    ]
    # One that is turned stands among them, and is the same on both ways.
    turn = np.eye(dims)
    turn[-2:, -2:] = [[0.8, -0.6], [0.6, 0.8]]
    draws.insert(2, Draw(lowest + 1, turn))
    rows = [number % 3 for number in range(len(draws))]
    copied = make_batch(volumes, rows, draws, rows, crop_size, CPU)
    monkeypatch.setattr(augment, "_keeps_voxels", lambda draw: False)
    sampled = make_batch(volumes, rows, draws, rows, crop_size, CPU)
    assert torch.equal(copied[1], sampled[1])
    assert torch.allclose(copied[0], sampled[0], rtol=0, atol=2e-5)
    assert not torch.equal(copied[0][0], copied[0][1])
