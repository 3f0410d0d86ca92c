"""A stack of pictures is read picture by picture, compressed or not."""

import numpy as np
import pytest
import SimpleITK as sitk

from mos.errors import BadInput
from mos.io.stack import open_stack, read_stack

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 40, 30, 3), dtype=np.uint8)


def write(path, array=PICTURES, compressed=False):
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    sitk.WriteImage(image, str(path), compressed)
    return path


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_the_pictures_asked_for_come_in_order(tmp_path, compressed):
    stack = open_stack(write(tmp_path / "stack1.mha", compressed=compressed))
    assert (stack.count, stack.size, stack.channels) == (5, (40, 30), 3)
    read = dict(read_stack(stack, [0, 2, 3]))
    assert list(read) == [0, 2, 3]
    for number, pixels in read.items():
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, PICTURES[number].transpose(2, 0, 1))


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.int16])
def test_a_grey_stack_of_other_numbers_keeps_them(tmp_path, kind, compressed):
    grey = (PICTURES[..., 0] * 3).astype(kind)
    stack = open_stack(write(tmp_path / "a.mha", grey, compressed))
    assert stack.channels == 1
    assert np.array_equal(np.stack([p[0] for _, p in read_stack(stack, range(5))]), grey)


def test_one_picture_alone_is_a_stack_of_one(tmp_path):
    stack = open_stack(write(tmp_path / "a.mha", PICTURES[0, :, :, 0]))
    assert stack.count == 1
    ((number, pixels),) = read_stack(stack, [0])
    assert number == 0 and np.array_equal(pixels[0], PICTURES[0, :, :, 0])


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_a_stack_that_breaks_off_says_at_which_picture(tmp_path, compressed):
    path = write(tmp_path / "a.mha", compressed=compressed)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 5])
    with pytest.raises(BadInput, match="breaks off in picture [1-3] of 5; copy the file again"):
        list(read_stack(open_stack(path), range(5)))


def test_memory_holds_one_picture_and_not_the_stack(tmp_path):
    """Reading a picture of a stack of 40 MB takes a few of them."""
    import tracemalloc

    zeros = np.zeros((40, 1000, 1000), np.uint8)
    stack = open_stack(write(tmp_path / "a.mha", zeros, compressed=True))
    tracemalloc.start()
    for _, _pixels in read_stack(stack, [0, 20, 39]):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12e6


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"hello", "cannot be read as a stack")],
)
def test_what_is_no_stack_is_refused(tmp_path, content, words):
    if content:
        (tmp_path / "a.mha").write_bytes(content)
    with pytest.raises(BadInput, match=words):
        open_stack(tmp_path / "a.mha")


def test_a_stack_of_volumes_is_refused(tmp_path):
    sitk.WriteImage(sitk.Image([4, 4, 4, 2], sitk.sitkUInt8), str(tmp_path / "a.mha"))
    with pytest.raises(BadInput, match="4 dimensions"):
        open_stack(tmp_path / "a.mha")
