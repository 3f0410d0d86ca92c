"""What networks share: norms that train on a single value, windows of one size, padding, further answers."""

import pytest
import torch
from torch import nn

from mos.networks.norms import Activated, norm_layer, replace_norms
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.windows import FixedSize


class Seen(nn.Module):
    """A network that answers with its image, and remembers the sizes it saw."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, image):
        self.sizes.append(tuple(image.shape[2:]))
        return Outputs(image, (Auxiliary(0.5, image),)) if self.training else image


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_single_value_per_channel_keeps_its_gradient(norm, dims):
    layer = norm_layer(norm, dims)(4).train()
    x = torch.tensor([1.0, -2.0, 3.0, 0.5]).view(1, 4, *(1,) * dims).requires_grad_()
    y = layer(x)
    (y * torch.arange(4.0).view_as(y)).sum().backward()
    assert torch.isfinite(y).all() and x.grad.any() and layer.weight.grad.any()
    if norm != "group":  # two channels share a group, which is enough for statistics
        assert torch.allclose(y, x, atol=1e-4)


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
def test_with_more_values_they_are_pytorchs_own(norm):
    x = torch.rand(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    own = {
        "batch": nn.BatchNorm2d(4),
        "instance": nn.InstanceNorm2d(4),
        "group": nn.GroupNorm(2, 4),
    }
    assert torch.allclose(norm_layer(norm, 2)(4)(x), own[norm](x))


def test_no_group_is_a_single_channel_while_there_are_two():
    groups = {ch: norm_layer("group", 2)(ch).num_groups for ch in (1, 2, 4, 6, 8, 16, 24, 7)}
    assert groups == {1: 1, 2: 1, 4: 2, 6: 2, 8: 4, 16: 8, 24: 8, 7: 1}


def test_a_replaced_norm_keeps_scale_shift_and_what_stood_in_the_same_layer():
    from timm.layers import BatchNormAct2d

    fused = BatchNormAct2d(4)
    nn.init.uniform_(fused.weight)
    network = replace_norms(nn.Sequential(nn.Conv2d(1, 4, 1), fused), "instance")
    assert isinstance(network[1], Activated)
    assert torch.equal(network[1].norm.weight, fused.weight)
    assert (network(torch.rand(1, 1, 3, 3)) >= 0).all()  # its ReLU is still there


def test_an_image_of_the_networks_size_goes_straight_through():
    network = FixedSize(Seen(), (8, 8)).train()
    answer = network(torch.rand(1, 1, 8, 8))
    assert isinstance(answer, Outputs) and network.network.sizes == [(8, 8)]


@pytest.mark.parametrize("size", [(5, 7), (8, 9), (20, 8), (17, 23), (8, 30)])
def test_windows_of_one_size_cover_any_image_and_are_put_back_in_place(size):
    network = FixedSize(Seen(), (8, 8)).eval()
    image = torch.rand(2, 3, *size)
    assert torch.allclose(network(image), image, atol=1e-6)
    assert set(network.network.sizes) == {(8, 8)}


def test_padding_reaches_a_multiple_and_the_least_size_and_is_cut_off_every_answer():
    network = PadToMultiple(Seen(), (4, 4), least=(16, 4)).train()
    image = torch.rand(1, 1, 5, 6)
    answer = network(image)
    assert network.network.sizes == [(16, 8)]
    assert torch.equal(answer.logits, image) and torch.equal(answer.auxiliary[0].logits, image)
    assert answer.auxiliary[0].weight == 0.5 and answer.auxiliary[0].target == "segment"
