"""The same voxels get the same name, others another one; large arrays are sampled."""

import numpy as np
import pytest

from mos.data import digest
from mos.data.digest import content_digest, image_digest


def test_an_image_is_known_by_its_voxels_and_shape_not_by_how_it_is_stored():
    image = np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4)
    assert image_digest(image) == image_digest(image.transpose(0, 1, 3, 2).copy().swapaxes(2, 3))
    assert image_digest(image) != image_digest(image.reshape(1, 2, 4, 3))
    assert image_digest(image) != image_digest(image + 1)


def test_names_shapes_types_values_and_text_all_count():
    one = {"a": np.zeros((2, 2), np.uint8), "b": np.zeros((0, 3), np.uint8)}
    others = [
        content_digest(one, "other"),
        content_digest({"a": one["a"], "c": one["b"]}, ""),
        content_digest({"a": one["a"].reshape(4, 1), "b": one["b"]}, ""),
        content_digest({"a": one["a"].astype(np.int8), "b": one["b"]}, ""),
        content_digest({"a": one["a"] + 1, "b": one["b"]}, ""),
    ]
    assert len({content_digest(one, ""), *others}) == 6


def test_of_much_data_the_ends_and_spread_blocks_are_read(monkeypatch):
    for name, value in {"HASH_WHOLE": 100, "_BLOCK": 4, "_BLOCKS": 3}.items():
        monkeypatch.setattr(digest, name, value)
    values = np.zeros((10, 20), np.uint8)
    first = content_digest({"a": values}, "")
    assert first.startswith("blocks-")
    for place in (0, 99, 199):
        values.flat[place] = 1
        assert content_digest({"a": values}, "") != first
        values.flat[place] = 0
    assert content_digest({"a": values}, "") == first


@pytest.mark.parametrize("whole", [0, 1 << 30])
def test_an_empty_part_is_no_trouble(monkeypatch, whole):
    monkeypatch.setattr(digest, "HASH_WHOLE", whole)
    assert content_digest({"a": np.zeros((0, 2, 3), np.uint8), "b": np.zeros(3)}, "")
