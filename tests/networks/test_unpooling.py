"""Pooling indices put values back where they came from."""

import torch
import torch.nn.functional as F

from mos.networks.unpooling import pool, unpool

PICTURE = torch.tensor([[1.0, 2, 0, 0], [4, 3, 0, 9], [5, 0, 7, 7], [0, 0, 7, 7]])[None, None]


def test_the_largest_of_each_block_returns_to_its_place_and_the_rest_is_zero():
    values, places = pool(PICTURE, (2, 2))
    assert values.tolist() == [[[[4, 9], [5, 7]]]]
    back = torch.tensor([[0.0, 0, 0, 0], [4, 0, 0, 9], [5, 0, 7, 0], [0, 0, 0, 0]])
    assert unpool(values, places, (2, 2)).equal(back[None, None])


def test_it_equals_pytorchs_own_unpooling_in_values_and_gradients():
    image = torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    values, places = pool(image, (2, 2))
    ours, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
    a, b = unpool(ours, places, (2, 2)), F.max_unpool2d(theirs, places, 2)
    assert a.equal(b)
    (a**2).sum().backward()
    (b**2).sum().backward()
    assert ours.grad.equal(theirs.grad)


def test_a_volume_may_be_pooled_in_plane_alone():
    volume = torch.rand(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    values, places = pool(volume, (1, 2, 2))
    back = unpool(values, places, (1, 2, 2))
    assert back.shape == volume.shape
    assert back[back > 0].equal(volume[back > 0]), "every value stands where it stood"
    assert (back > 0).sum() == values.numel()


def test_a_stride_of_one_changes_nothing():
    values, places = pool(PICTURE, (1, 1))
    assert unpool(values, places, (1, 1)).equal(PICTURE)
