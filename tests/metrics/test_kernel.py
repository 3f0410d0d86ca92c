"""The compiled kernel and the numpy path give the same numbers, to the last bit, and either may be missing."""

import subprocess
import sys

import numpy as np
import pytest

from mos.metrics import kernel, outline, overlap, surface

SPACINGS = [
    (1.0, 1.0, 1.0),
    (0.7, 0.7, 0.7),
    (10.0, 1.5, 0.8),
    (0.3, 0.1, 0.7),  # three steps of 0.1 are not 0.3 in doubles
    (1.2000000476837158, 0.78125, 0.78125),
]


@pytest.fixture
def compiled():
    found, why = kernel.load()
    if not found:
        pytest.skip(f"the kernel is {why}")
    return found


def speckled(seed, shape, share):
    """Two maps of labels 0 to 3, of which a share of the voxels is labelled."""
    random = np.random.default_rng(seed)
    maps = random.integers(1, 4, (2, *shape), np.uint8)
    maps[random.random(maps.shape) >= share] = 0
    return maps


def organs(shape):
    """Two touching organs, and the same ones moved, with a far false positive."""
    d, h, w = np.ogrid[tuple(map(slice, shape))]
    size = np.array(shape) / 2
    reference = (sum(((x - c) / (0.7 * c)) ** 2 for x, c in zip((d, h, w), size)) < 1).astype(
        np.uint8
    )
    reference[..., shape[2] // 2 :] *= 2
    prediction = np.roll(reference, (1, 2, 1), (0, 1, 2))
    prediction[0, 0, 0] = 1
    return prediction, reference


def same(first, second):
    assert first.keys() == second.keys()
    for label in first:
        for a, b in zip(first[label], second[label], strict=True):
            np.testing.assert_array_equal(a, b)


SHAPES = [(6, 20, 70), (1, 30, 33), (25, 1, 9), (1, 1, 130), (1, 1, 1), (12, 11, 10)]


@pytest.mark.parametrize("share", [0.003, 0.3, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_distances_of_speckled_maps_are_equal_to_the_last_bit(compiled, shape, share):
    for seed, spacing in enumerate(SPACINGS):
        case = (*speckled(seed, shape, share), [1, 3, 9], np.array(spacing))
        same(compiled.distances(*case), outline.distances(*case))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_distances_of_organs_are_equal_to_the_last_bit(compiled, spacing):
    for prediction, reference in (organs((14, 40, 150)), organs((14, 40, 150))[::-1]):
        case = prediction, reference, [1, 2], np.array(spacing)
        same(compiled.distances(*case), outline.distances(*case))


def test_views_into_larger_maps_are_measured_like_copies(compiled):
    prediction, reference = speckled(0, (12, 9, 20), 0.3)[:, ::2, :, 3:]
    case = [1, 2, 3], np.ones(3)
    views = compiled.distances(prediction, reference, *case)
    same(views, compiled.distances(prediction.copy(), reference.copy(), *case))


def brute(prediction, reference, spacing):
    """(n,) mm from each voxel to the nearest one of the other map, all of them tried."""
    steps = np.argwhere(prediction)[:, None] - np.argwhere(reference)[None]
    squares = (steps * np.array(spacing)) ** 2
    return np.sqrt(((squares[..., 0] + squares[..., 1]) + squares[..., 2]).min(1))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("apart", [0, 4, 30])
def test_both_paths_find_the_nearest_voxel_near_and_far(spacing, apart):
    # Single voxels, so that all are outline; far ones are beyond where the numpy path looks around.
    random = np.random.default_rng(apart)
    prediction, reference = np.zeros((2, 8, 24, 90), np.uint8)
    for part, label_map in ((slice(0, 24), reference), (slice(24 + apart, None), prediction)):
        label_map[::2, ::2, part][random.random(label_map[::2, ::2, part].shape) < 0.1] = 1
    prediction[:, :, :40][random.random((8, 24, 40)) < 0.01 * (apart < 30)] = 1
    wanted = brute(prediction, reference, spacing), brute(reference, prediction, spacing)
    ways = [outline.distances, *([found.distances] if (found := kernel.load()[0]) else [])]
    for measure in ways:
        got = measure(prediction, reference, [1], np.array(spacing))[1]
        np.testing.assert_array_equal(got[0], wanted[0])
        np.testing.assert_array_equal(got[1], wanted[1])


def test_a_slab_of_the_numpy_path_ends_without_an_outline_of_its_own(monkeypatch):
    cube = np.zeros((9, 9, 9), np.uint8)
    cube[1:8, 1:8, 1:8] = 1
    whole = outline.distances(cube, np.roll(cube, 1, 1), [1], np.ones(3))
    monkeypatch.setattr(outline, "_SLAB", 81)  # one slice at a time
    same(whole, outline.distances(cube, np.roll(cube, 1, 1), [1], np.ones(3)))
    assert whole[1][0].size == 7**3 - 5**3


@pytest.mark.parametrize("label_count", [2, 4, 12])
@pytest.mark.parametrize("share", [0.05, 1.0])
def test_counts_are_equal(compiled, label_count, share):
    prediction, reference = speckled(3, (5, 13, 17), share)
    prediction, reference = (np.repeat(m, 9, 2) for m in (prediction, reference))
    got = compiled.counts(prediction, reference)[:, :label_count]
    np.testing.assert_array_equal(got, overlap._count(prediction, reference, label_count))


@pytest.mark.parametrize("percentile", [0, 33.3, 50, 95, 100])
def test_percentiles_are_numpys_to_the_last_bit(percentile):
    random = np.random.default_rng(0)
    for size in (1, 2, 3, 20, 21, 22, 333):
        values = random.random(size) * 40
        assert surface._percentile(values, percentile) == np.percentile(values, percentile)


def tell(**environ) -> str:
    """What a fresh process says of the kernel."""
    program = "from mos.metrics import kernel; found, why = kernel.load(); print(bool(found), why)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout.strip()


def test_the_kernel_is_off_without_complaint(tmp_path):
    path = str(tmp_path)
    assert tell(MOS_CACHE=path, PATH=path) == (
        "False off: no C compiler found (cc, gcc or clang; CC names another one)"
    )
    assert tell(MOS_CACHE=path, MOS_KERNEL="off") == "False off: MOS_KERNEL says so"
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'no headers here' >&2\nexit 1\n")
    broken.chmod(0o755)
    assert tell(MOS_CACHE=path, CC=str(broken), PATH=path) == "False off: no headers here"
    assert not list((tmp_path / "kernel").iterdir())


def test_a_kernel_that_computes_something_else_is_not_used(monkeypatch):
    class Wrong:
        def distances(self, *case):
            return {k: (a + 1e-15, b) for k, (a, b) in outline.distances(*case).items()}

    monkeypatch.setattr(kernel, "load", lambda: (Wrong(), "on"))
    surface.compiled.cache_clear()
    try:
        assert surface.compiled() is None
    finally:
        surface.compiled.cache_clear()
