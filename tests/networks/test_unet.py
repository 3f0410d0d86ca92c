"""`unet`: strides and kernels that follow the voxel, any size, every norm."""

import pytest
import torch

from mos.engine import checkpoint
from mos.folders import epoch_folder
from mos.networks.plan import Plan
from mos.networks.table import NETWORKS
from mos.networks.unet import plan_levels

ENTRIES = [("unet", 2), ("unet", 3)]
NORMS = ("batch", "instance", "group")


def make(name, dims, *, channels=1, labels=2, norm="batch", features=(8, 16, 24), dropout=0.0):
    torch.manual_seed(0)
    plan = Plan(
        in_channels=channels,
        label_count=labels,
        crop_size=(16,) * dims,
        spacing=(1.0,) * dims,
        channels=features,
        norm=norm,
        dropout=dropout,
    )
    return NETWORKS[name].build(plan)


def image(dims, size, bs=2, channels=1):
    return torch.rand(bs, channels, *size[-dims:], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(16, 16, 16), (9, 13, 17), (8, 21, 16)], ids=str)
@pytest.mark.parametrize("name, dims", ENTRIES)
def test_logits_have_the_size_of_the_image_whatever_it_is(name, dims, size):
    network = make(name, dims).eval()
    with torch.no_grad():
        logits = network(image(dims, size))
    assert logits.shape == (2, 2, *size[-dims:])
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("channels, labels", [(1, 2), (3, 2), (1, 37), (3, 37)])
@pytest.mark.parametrize("name, dims", ENTRIES)
def test_any_number_of_channels_and_labels(name, dims, channels, labels):
    network = make(name, dims, channels=channels, labels=labels).eval()
    with torch.no_grad():
        logits = network(image(dims, (16, 16, 16), bs=1, channels=channels))
    assert logits.shape == (1, labels, *(16,) * dims)


@pytest.mark.parametrize("bs", [1, 2])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name, dims", ENTRIES)
def test_gradients_reach_every_parameter_with_every_norm_and_a_batch_of_one(name, dims, norm, bs):
    network = make(name, dims, norm=norm, dropout=0.1).train()
    network(image(dims, (16, 16, 16), bs=bs)).square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name, dims", ENTRIES)
def test_stored_and_loaded_it_answers_the_same(name, dims, norm, tmp_path):
    network, other = make(name, dims, norm=norm), make(name, dims, norm=norm)
    picture = image(dims, (16, 16, 16))
    network.train()(picture)  # norms that keep statistics have some now
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01)
    checkpoint.save_epoch(tmp_path, 1, network, {}, {})
    checkpoint.load_weights(other, epoch_folder(tmp_path, 1))
    with torch.no_grad():
        assert torch.equal(network.eval()(picture), other.eval()(picture))


@pytest.mark.parametrize("name, dims", ENTRIES)
def test_the_same_seed_makes_the_same_network(name, dims):
    one, two = make(name, dims).state_dict(), make(name, dims).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name, dims", ENTRIES)
def test_features_need_not_be_multiples_of_the_groups(name, dims, norm):
    network = make(name, dims, norm=norm, features=(6, 12, 20)).eval()
    with torch.no_grad():
        assert network(image(dims, (16, 16, 16), bs=1)).shape[1] == 2


@pytest.mark.parametrize("name, dims", ENTRIES)
def test_a_sample_is_answered_alike_alone_and_in_a_batch(name, dims):
    network, pictures = make(name, dims).eval(), image(dims, (16, 16, 16), bs=3)
    with torch.no_grad():
        together = network(pictures)
        alone = torch.cat([network(one[None]) for one in pictures])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name, dims", ENTRIES)
def test_padding_at_the_end_does_not_move_the_answer(name, dims):
    """A size that needs padding gives about what the same image gives inside a larger one."""
    network, picture = make(name, dims).eval(), image(dims, (16, 16, 16), bs=1)
    crop = (..., *(slice(15) for _ in range(dims)))
    with torch.no_grad():
        whole, part = network(picture), network(picture[crop])
    inner = (..., *(slice(0, 8) for _ in range(dims)))
    assert torch.allclose(whole[inner], part[inner], atol=0.3 * float(whole.std()))


def test_cubes_are_halved_and_convolved_along_every_axis():
    kernels, strides = plan_levels((64, 64, 64), (1.0, 1.0, 1.0), 4)
    assert kernels == [(3, 3, 3)] * 4
    assert strides == [(1, 1, 1)] + [(2, 2, 2)] * 3


def test_thick_slices_are_neither_mixed_nor_pooled_before_their_pixels_caught_up():
    kernels, strides = plan_levels((16, 128, 128), (10.0, 1.5, 1.5), 5)
    assert strides[0] == (1, 1, 1)
    mm = [10.0, 1.5, 1.5]
    for kernel, stride in zip(kernels, strides):
        mm = [length * step for length, step in zip(mm, stride)]
        assert kernel == ((1, 3, 3) if mm[0] > 2 * mm[1] else (3, 3, 3))
    assert kernels[0] == (1, 3, 3) and kernels[-1] == (3, 3, 3)
    assert strides[1] == strides[2] == (1, 2, 2)


def test_an_axis_is_not_halved_below_four_voxels():
    for size in ((8, 64, 64), (12, 64, 64), (7, 64, 64)):
        _, strides = plan_levels(size, (1.0, 1.0, 1.0), 5)
        left = size[0]
        for stride in strides:
            left = -(-left // stride[0])
        assert left >= 4


def test_in_two_dimensions_both_axes_go_down_together():
    kernels, strides = plan_levels((128, 128), (1.5, 1.5), 4)
    assert kernels == [(3, 3)] * 4 and strides == [(1, 1)] + [(2, 2)] * 3


def test_slices_that_stay_thick_do_not_see_each_other():
    """Where pixels never catch up, a change in one slice changes the answer in that slice alone."""
    plan = Plan(
        in_channels=1,
        label_count=2,
        crop_size=(8, 16, 16),
        spacing=(20.0, 1.5, 1.5),
        channels=(4, 8, 8),
    )
    network = NETWORKS["unet"].build(plan).eval()
    picture = image(3, (8, 16, 16), bs=1)
    changed = picture.clone()
    changed[:, :, 3] += 1
    with torch.no_grad():
        moved = (network(picture) != network(changed)).any((0, 1, 3, 4))
    assert moved.tolist() == [index == 3 for index in range(8)]


@pytest.mark.parametrize("name, dims", ENTRIES)
def test_more_levels_than_the_image_can_be_halved_still_work(name, dims):
    network = make(name, dims, features=(8,) * 6).train()
    network(image(dims, (16, 16, 16), bs=1)).mean().backward()
