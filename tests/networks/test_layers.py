"""How our own networks halve their axes, and the layers they share."""

import pytest
from torch import nn

from mos.errors import BadInput
from mos.networks.layers import Layers, halvings, total_stride, widths
from mos.networks.plan import Plan


def plan(size, spacing, channels=None):
    return Plan(in_channels=1, label_count=2, crop_size=size, spacing=spacing, channels=channels)


def test_cubic_voxels_are_halved_along_every_axis():
    assert halvings(plan((64, 64, 64), (1.0, 1.0, 1.0)), 3) == [(2, 2, 2)] * 3


def test_slices_of_10_mm_wait_until_their_pixels_have_caught_up():
    strides = halvings(plan((16, 96, 96), (10.0, 1.5, 1.5)), 5)
    assert strides == [(1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2)]
    assert total_stride(strides) == (8, 32, 32)


def test_an_axis_of_one_voxel_is_not_halved_any_more():
    assert halvings(plan((4, 64, 64), (1.0, 1.0, 1.0)), 4)[2:] == [(1, 2, 2), (1, 2, 2)]


def test_too_few_levels_are_refused_with_what_to_type():
    with pytest.raises(BadInput, match=r"--model_channels 8: .* 2 levels .* --model_channels 4,8"):
        widths(plan((8, 8), (1.0, 1.0), channels=(8,)), (4, 8))
    assert widths(plan((8, 8), (1.0, 1.0)), (4, 8)) == (4, 8)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_convolution_keeps_the_size_whatever_its_kernel_and_dilation(dims):
    from torch import ones

    layers = Layers(dims, nn.Identity)
    image = ones(1, 2, *(9, 7, 5)[:dims])
    assert layers.conv(2, 3, 5)(image).shape[2:] == image.shape[2:]
    assert layers.conv(2, 3, 3, dilation=4)(image).shape[2:] == image.shape[2:]
    assert layers.conv(2, 3, (1, 5, 3)[:dims])(image).shape[2:] == image.shape[2:]
    assert layers.avg_pool(3)(image).allclose(image), "what is outside the image does not count"
