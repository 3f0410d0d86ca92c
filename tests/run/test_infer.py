"""From image to probabilities: every voxel, in its place, without a label."""

import inspect
import math

import pytest
import torch
from torch import nn

from run.baseline import infer
from run.baseline.infer import labels_of, predict_probabilities


class Pointwise(nn.Module):
    """Logits (0, x - 0.5): what a voxel gets depends on that voxel alone."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, image):
        self.sizes.append(tuple(image.shape))
        value = image[:, :1]
        return torch.cat([torch.zeros_like(value), 4 * (value - 0.5)], 1)


class SliceMean(nn.Module):
    """Logits that are the mean of each 2-D image: every slice of the answer tells where it came from."""

    def forward(self, image):
        assert image.ndim == 4, "a 2-D network sees slices"
        value = image.mean((1, 2, 3), keepdim=True).expand(-1, 1, *image.shape[2:])
        return torch.cat([torch.zeros_like(value), 4 * (value - 0.5)], 1)


class Shifted(nn.Module):
    """Moves the picture by a pixel along w: as one-sided as a network can be."""

    def forward(self, image):
        return torch.cat([torch.zeros_like(image), image.roll(1, -1)], 1)


def volume(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def predict(network, image, **changes):
    given = {"dims": 3, "window": (8, 16, 16), "overlap": 0.25, "labels": (1,)} | changes
    return predict_probabilities(network.eval(), image, **given)


def chance_of_one(value):
    return torch.sigmoid(4 * (value - 0.5))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("window", [(99, 99, 99), (4, 8, 8), (3, 5, 7), (8, 99, 6), (1, 1, 1)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.7])
def test_windows_cover_every_voxel(dims, window, overlap):
    image = volume(1, 1, 6, 13, 11)
    answer = predict(Pointwise(), image, dims=dims, window=window, overlap=overlap)
    assert answer.shape == (1, 2, 6, 13, 11) and answer.dtype == torch.float32
    assert torch.allclose(answer[:, 1], chance_of_one(image[:, 0]), atol=1e-5)
    assert torch.allclose(answer.sum(1), torch.ones(1, 6, 13, 11))


def test_a_volume_that_fits_the_window_is_one_forward_pass():
    network = Pointwise()
    predict(network, volume(1, 1, 6, 13, 11), window=(6, 13, 11))
    assert network.sizes == [(1, 1, 6, 13, 11)]


def test_no_window_is_larger_than_asked_for():
    network = Pointwise()
    predict(network, volume(1, 1, 6, 13, 11), window=(4, 8, 99))
    assert {size[2:] for size in network.sizes} == {(4, 8, 11)}


@pytest.mark.parametrize("at_once", [1, 3 * 13 * 11, 1 << 18])
@pytest.mark.parametrize("bs", [1, 2])
def test_slices_come_back_in_their_order(monkeypatch, at_once, bs):
    monkeypatch.setattr(infer, "VOXELS_AT_ONCE", at_once)
    image = volume(bs, 1, 7, 13, 11)
    answer = predict(SliceMean(), image, dims=2, window=(1, 13, 11))
    means = image.mean((1, 3, 4))
    assert torch.allclose(answer[:, 1, :, 5, 5], chance_of_one(means), atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_channels_stay_with_their_slice(dims):
    class Difference(nn.Module):
        def forward(self, image):
            value = image[:, :1] - image[:, 1:2]
            return torch.cat([torch.zeros_like(value), value], 1)

    image = volume(2, 2, 5, 9, 10)
    answer = predict(Difference(), image, dims=dims, window=(4, 8, 8))
    assert torch.allclose(answer[:, 1], torch.sigmoid(image[:, 0] - image[:, 1]), atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("axes", ["w", "hw", "dhw"])
def test_flips_change_nothing_for_a_network_without_a_side(dims, axes):
    image = volume(1, 1, 6, 13, 11)
    plain = predict(Pointwise(), image, dims=dims)
    assert torch.allclose(predict(Pointwise(), image, dims=dims, flip_axes=axes), plain, atol=1e-5)


@pytest.mark.parametrize("axes, passes", [("", 1), ("w", 2), ("hw", 4), ("dhw", 8)])
def test_every_combination_of_flips_is_one_pass(axes, passes):
    network = Pointwise()
    predict(network, volume(1, 1, 4, 8, 8), flip_axes=axes)
    assert len(network.sizes) == passes


def test_a_2d_network_is_never_flipped_along_d():
    network = Pointwise()
    predict(network, volume(1, 1, 4, 8, 8), dims=2, flip_axes="dw", window=(1, 8, 8))
    assert len(network.sizes) == 2


@pytest.mark.parametrize("dims", [2, 3])
def test_the_average_over_flips_has_no_side(dims):
    image = volume(1, 1, 4, 8, 8)
    there = predict(Shifted(), image, dims=dims, flip_axes="w")
    back = predict(Shifted(), image.flip(-1), dims=dims, flip_axes="w").flip(-1)
    assert torch.allclose(there, back, atol=1e-6)
    assert not torch.allclose(there, predict(Shifted(), image, dims=dims), atol=1e-3)


def test_what_is_not_learnt_counts_as_background():
    class Three(nn.Module):
        def forward(self, image):
            return torch.cat([torch.zeros_like(image)] * 4, 1)

    answer = predict(Three(), volume(1, 1, 4, 8, 8), labels=(1, 3))
    assert answer[0, :, 0, 0, 0].tolist() == pytest.approx([0.5, 0.25, 0, 0.25])


def test_it_is_repeated_to_the_bit():
    image = volume(1, 1, 6, 13, 11)
    first, again = (predict(Pointwise(), image, window=(4, 8, 8)) for _ in range(2))
    assert torch.equal(first, again)


def test_no_reference_can_enter():
    assert "segment" not in inspect.signature(predict_probabilities).parameters
    image = volume(1, 1, 4, 8, 8)
    assert torch.isfinite(predict(Pointwise(), image)).all()


def test_labels_are_the_most_likely_ids():
    chances = torch.zeros(1, 200, 1, 2, 2)
    for place, label in enumerate((0, 1, 128, 199)):
        chances[0, label, 0, place // 2, place % 2] = 1
    answer = labels_of(chances)
    assert answer.dtype == torch.uint8 and answer.flatten().tolist() == [0, 1, 128, 199]


def test_a_constant_network_answers_a_constant_at_the_seams_too():
    class Constant(nn.Module):
        def forward(self, image):
            logits = torch.zeros(len(image), 3, *image.shape[2:])
            logits[:, 2] = math.log(2)
            return logits

    answer = predict(Constant(), volume(1, 1, 9, 21, 17), window=(4, 8, 8), labels=(1, 2))
    expected = torch.tensor([0.25, 0.25, 0.5]).reshape(1, 3, 1, 1, 1).expand_as(answer)
    assert torch.allclose(answer, expected, atol=1e-6)
