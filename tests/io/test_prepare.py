"""Preparing and restoring: what the network sees, and the way back to the image's own grid."""

import itertools
import json

import numpy as np
import pytest
import SimpleITK as sitk

from mos.errors import BadInput
from mos.io.geometry import Grid
from mos.io.prepare import Preparation, prepare, restore, restore_probabilities, stored_size


def image_of(array, direction=np.eye(3), spacing=(1.0, 1.0, 1.0), origin=(1.0, 2.0, 3.0)):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[::-1])
    image.SetDirection(np.asarray(direction, float).ravel().tolist())
    image.SetOrigin(origin)
    return image


def blob(shape=(12, 20, 24)) -> np.ndarray:
    """Two balls of labels 1 and 2 that touch, off centre."""
    d, h, w = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    label = ((d - 0.1) ** 2 + (h + 0.2) ** 2 + w**2 < 0.35).astype(np.uint8)
    label[(label > 0) & (w > 0.1)] = 2
    return label


def dice(a: np.ndarray, b: np.ndarray, label: int) -> float:
    return 2 * ((a == label) & (b == label)).sum() / ((a == label).sum() + (b == label).sum())


def same_place(a: sitk.Image, b: sitk.Image) -> bool:
    return (a.GetSize(), a.GetSpacing(), a.GetOrigin(), a.GetDirection()) == (
        b.GetSize(),
        b.GetSpacing(),
        b.GetOrigin(),
        b.GetDirection(),
    )


DIRECTIONS = [
    np.eye(3)[:, order] * signs
    for order in itertools.permutations(range(3))
    for signs in [(1, 1, 1), (-1, 1, -1), (1, -1, 1)]
]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("size", [(0, 0, 0), (30, 30, 30)])
def test_a_label_comes_back_exactly_from_any_orientation_when_spacing_is_kept(direction, size):
    label = image_of(blob(), direction, (3.0, 1.0, 2.0))
    prepared = prepare(label, label, Preparation(size=size))
    back = restore(prepared.label, prepared.case, label)
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(label))
    assert same_place(back, label)


@pytest.mark.parametrize("orientation", ["LPS", "slices"])
def test_an_oblique_label_survives_resampling_there_and_back(turned, orientation):
    label = image_of(blob((20, 60, 70)), turned(30, -20, 50), (3.0, 1.0, 0.9))
    preparation = Preparation(spacing=(2.5, 1.3, 1.3), size=(0, 64, 64), orientation=orientation)
    prepared = prepare(label, label, preparation)
    back = restore(prepared.label, prepared.case, label)
    assert same_place(back, label)
    for name in (1, 2):
        assert dice(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(label), name) > 0.97


def test_probabilities_come_back_like_labels():
    label = image_of(blob((20, 60, 70)), np.diag([-1, -1, 1]), (3.0, 1.0, 0.9))
    prepared = prepare(label, label, Preparation(spacing=(3, 1.3, 1.3), size=(24, 40, 40)))
    shares = np.stack([prepared.label == i for i in range(3)]).astype(np.float32)
    back = restore_probabilities(shares, prepared.case, label)
    assert same_place(back, label)
    one = sitk.GetArrayFromImage(back)
    two = sitk.GetArrayFromImage(restore(prepared.label, prepared.case, label))
    # Only voxels half of one label and half of another may fall either way.
    assert dice(one, two, 1) > 0.99 and dice(one, two, 2) > 0.99


def test_what_the_crop_left_out_comes_back_as_background():
    everything = image_of(np.ones((4, 8, 8), np.uint8))
    prepared = prepare(everything, everything, Preparation(size=(4, 4, 4)))
    assert prepared.case["labels_cut"] == 4 * 8 * 8 - 4 * 4 * 4
    back = sitk.GetArrayFromImage(restore(prepared.label, prepared.case, everything))
    assert back[:, 2:6, 2:6].all() and back.sum() == 4 * 4 * 4


def test_restoring_onto_another_image_is_refused():
    prepared = prepare(image_of(blob()), None, Preparation())
    with pytest.raises(BadInput, match="different grids"):
        restore(
            np.zeros((12, 20, 24), np.uint8), prepared.case, image_of(blob(), np.diag([-1, 1, 1]))
        )


def test_the_way_back_needs_only_what_json_keeps():
    label = image_of(blob(), np.diag([-1, -1, 1]), (5.0, 1.1, 1.1))
    prepared = prepare(label, label, Preparation(spacing=(10, 1.5, 1.5), size=(8, 16, 16)))
    case = json.loads(json.dumps(prepared.case))
    one, two = restore(prepared.label, case, label), restore(prepared.label, prepared.case, label)
    assert np.array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(two))


def test_padding_is_black_outside_the_box_and_has_no_position():
    image = image_of(np.full((3, 4, 4), 7, np.int16) + np.arange(3)[:, None, None].astype(np.int16))
    prepared = prepare(image, None, Preparation(size=(6, 4, 5), percentiles=(0, 100)))
    (d0, d1), (h0, h1), (w0, w1) = prepared.case["box"]
    assert (d1 - d0, h1 - h0, w1 - w0) == (3, 4, 4)
    assert np.isnan(prepared.axis).tolist() == [d < d0 or d >= d1 for d in range(6)]
    assert prepared.axis[d0:d1].tolist() == [3, 4, 5]
    assert prepared.image[0, d1 - 1, h0:h1, w0:w1].min() == 255
    assert prepared.image.sum() == (0 + 128 + 255) * 16


def test_positions_run_along_the_normal_of_an_oblique_stack(turned):
    direction = turned(25, 10, 0)
    image = image_of(blob(), direction, (4.0, 1.0, 1.0), origin=tuple(direction[:, 2] * 50))
    axis = prepare(image, None, Preparation()).axis
    assert np.allclose(axis, 50 + 4 * np.arange(12))


def test_an_image_of_one_value_becomes_black_and_not_noise():
    prepared = prepare(image_of(np.full((4, 4, 4), 3.5)), None, Preparation())
    assert not prepared.image.any()


def test_a_few_bright_voxels_on_black_are_not_lost():
    array = np.zeros((10, 20, 20), np.float32)
    array[5, 10, 10] = 100
    assert prepare(image_of(array), None, Preparation()).image.max() == 255


def test_nan_and_infinity_count_as_dark():
    array = np.linspace(1, 2, 64, dtype=np.float32).reshape(4, 4, 4)
    array[0, 0, 0], array[0, 0, 1] = np.nan, np.inf
    prepared = prepare(image_of(array), None, Preparation(percentiles=(0, 100)))
    assert prepared.image[0, 0, 0, 0] == 0 and prepared.image.max() == 255
    with pytest.raises(BadInput, match="no finite value"):
        prepare(image_of(np.full((2, 2, 2), np.nan)), None, Preparation())


@pytest.mark.parametrize("spacing", [(1, 0.7, 0.7), (1, 1.9, 1.9), (2, 3, 3)])
def test_an_edge_does_not_ring(spacing):
    array = np.zeros((8, 24, 24), np.float32)
    array[:, :, 12:] = 100
    low, high = 0.0, 100.0
    from mos.io.geometry import with_spacing
    from mos.io.resample import resample_image

    grid = Grid.of(image_of(array))
    values = resample_image(array, grid, with_spacing(grid, spacing), "bspline")
    assert values.min() >= low and values.max() <= high


def test_fine_stripes_become_grey_when_the_voxels_grow():
    array = np.zeros((4, 40, 40), np.float32)
    array[:, :, ::2] = 100
    from mos.io.geometry import with_spacing
    from mos.io.resample import resample_image

    grid = Grid.of(image_of(array))
    values = resample_image(array, grid, with_spacing(grid, (1, 1, 4)), "bspline")
    assert np.abs(values[:, :, 1:-1] - 50).max() < 10


def test_two_thin_slices_become_one_thick_slice_that_is_their_mean():
    array = np.repeat(np.array([10, 20, 30, 40, 50, 60], np.float32), 16).reshape(6, 4, 4)
    from mos.io.geometry import with_spacing
    from mos.io.resample import resample_image

    grid = Grid.of(image_of(array, spacing=(5.0, 1.0, 1.0)))
    values = resample_image(array, grid, with_spacing(grid, (10, 1, 1)), "linear")
    assert np.allclose(values[1], 35)


def test_labels_are_renumbered_and_dropped_as_asked():
    label = image_of(np.array([[[0, 1, 2, 7]]], np.uint8))
    kept = prepare(label, label, Preparation(label_map={"1": 2, "2": 1, "*": 0}))
    assert kept.label.ravel().tolist() == [0, 2, 1, 0]
    with pytest.raises(BadInput, match=r"id 7 is not in --label_map.*7:0"):
        prepare(label, label, Preparation(label_map={"1": 2, "2": 1}))


def test_whole_numbers_stored_as_float_are_labels_and_others_are_not():
    label = image_of(np.array([[[0.0, 1.0, 2.0]]], np.float32))
    assert prepare(label, label, Preparation()).label.ravel().tolist() == [0, 1, 2]
    for bad, words in (
        (0.5, "no whole number"),
        (np.nan, "no whole number"),
        (256, "0-255"),
        (-1, "0-255"),
    ):
        wrong = image_of(np.array([[[0.0, 1.0, bad]]], np.float32))
        with pytest.raises(BadInput, match=words):
            prepare(wrong, wrong, Preparation())


def test_image_and_label_on_different_grids_are_refused_with_both_grids():
    image, label = image_of(blob()), image_of(blob(), origin=(1.0, 2.0, 4.0))
    with pytest.raises(BadInput, match=r"(?s)image: size 12x20x24.*label: size 12x20x24.*1,2,4"):
        prepare(image, label, Preparation())


def test_a_label_stored_in_another_axis_order_is_turned_onto_its_image():
    image = image_of(blob().astype(np.float32), spacing=(3.0, 1.0, 2.0))
    stored = sitk.DICOMOrient(image_of(blob(), spacing=(3.0, 1.0, 2.0)), "ASR")
    assert stored.GetSize() != image.GetSize()
    prepared = prepare(image, stored, Preparation())
    assert np.array_equal(prepared.label, blob())


def test_channels_are_scaled_each_by_itself():
    a, b = np.random.default_rng(0).random((2, 4, 6, 6)).astype(np.float32)
    prepared = prepare([image_of(a), image_of(b * 1000)], None, Preparation(percentiles=(0, 100)))
    assert prepared.image.shape == (2, 4, 6, 6)
    assert [int(channel.max()) for channel in prepared.image] == [255, 255]
    with pytest.raises(BadInput, match="channel 1"):
        prepare([image_of(a), image_of(b, spacing=(1.0, 1.0, 2.0))], None, Preparation())


def test_a_label_changes_nothing_about_the_image():
    image = image_of(np.random.default_rng(0).random((6, 9, 9)).astype(np.float32))
    preparation = Preparation(spacing=(0, 1.5, 1.5), size=(8, 8, 8))
    label = image_of(np.eye(9, dtype=np.uint8)[None].repeat(6, 0))
    with_label, without = prepare(image, label, preparation), prepare(image, None, preparation)
    assert np.array_equal(with_label.image, without.image) and without.label is None


def test_a_preparation_survives_json():
    preparation = Preparation((10, 1.5, 1.5), (16, 160, 160), label_map={"1": 2, "*": 0})
    assert Preparation.from_json(json.loads(json.dumps(preparation.to_json()))) == preparation
    with pytest.raises(BadInput, match="unknown key 'colour'"):
        Preparation.from_json({"colour": 1})


def test_an_axis_that_grows_keeps_a_larger_image_whole_and_pads_a_smaller_one():
    told = Preparation(size=(4, 10, 10))
    grown = Preparation(size=(4, 10, 10), grows=(True, False, True))
    assert stored_size(told, (6, 12, 8)) == (4, 10, 10)
    assert stored_size(grown, (6, 12, 8)) == (6, 10, 10)
    assert Preparation.from_json(grown.to_json()) == grown
