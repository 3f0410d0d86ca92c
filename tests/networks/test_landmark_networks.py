"""Every network for landmarks, by being listed: shapes on any grid, gradients, and that it can learn."""

import pytest
import torch

from mos.data.heatmap import decode, profiles, to_grid
from mos.errors import BadInput
from mos.losses.heatmap import heatmap_loss
from mos.networks.heatmap_unet import Places
from mos.networks.landmark_table import LANDMARK_NETWORKS, STRIDES
from mos.networks.plan import Plan

NAMES = sorted(LANDMARK_NETWORKS)


def plan(name, **changes):
    """The smallest form a network has."""
    wishes = LANDMARK_NETWORKS[name].takes
    small = {"channels": (4, 8, 8)} if "channels" in wishes else {}
    if "encoder" in wishes:
        small["encoder"] = {"hrnet": "hrnet_w18_small", "fpn": "resnet10t"}[name]
    given = {"in_channels": 1, "label_count": 3, "crop_size": (64, 64), "spacing": (1.0, 1.0)}
    return Plan(**given | small | changes)


def built(name, stride=2, **changes):
    torch.manual_seed(0)
    return LANDMARK_NETWORKS[name].build(plan(name, **changes), stride)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("name", NAMES)
def test_any_size_gives_one_answer_per_grid_pixel(name, stride):
    network = built(name, stride).eval()
    with torch.no_grad():
        logits = network(torch.rand(1, 1, 41, 70))
    assert logits.shape == (1, 3, -(-41 // stride), -(-70 // stride))
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", NAMES)
def test_colours_and_many_points_train_and_every_parameter_learns(name):
    network = built(name, in_channels=3, label_count=38).train()
    logits = network(torch.rand(1, 3, 32, 64))
    assert logits.shape == (1, 38, 16, 32)
    logits.square().mean().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None]
    assert not silent


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_network_and_its_weights_come_back(name):
    one, other = built(name), built(name)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))
    other.load_state_dict(one.state_dict(), strict=True)


@pytest.mark.parametrize("name", ["unet"])  # the others take seconds for it
def test_a_network_learns_where_a_square_is(name):
    """The middle of a square, which is elsewhere in each image, to within two pixels."""
    network = built(name, label_count=1).train()
    random = torch.Generator().manual_seed(0)
    corners = torch.randint(2, 22, (4, 2), generator=random)
    images = torch.rand(4, 1, 32, 32, generator=random) * 0.2
    for image, (x, y) in zip(images, corners.tolist()):
        image[0, y : y + 7, x : x + 7] = 1.0
    points = (corners + 3.0)[:, None]
    along = profiles(to_grid(points, 2), (16, 16), 1.5)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3)
    for _ in range(25):
        optimizer.zero_grad()
        loss = heatmap_loss(
            "cross_entropy", network(images), *along, torch.ones(4, 1, dtype=torch.bool)
        ).mean()
        loss.backward()
        optimizer.step()
    logits = network(images).detach()
    heat = logits.flatten(2).softmax(2).reshape(logits.shape)
    found = decode(heat, stride=2, method="centroid", radius=4)
    assert (found - points).norm(dim=2).max() < 2


def test_two_channels_say_where_a_pixel_lies():
    x = Places()(torch.full((2, 1, 3, 5), 7.0))
    assert x.shape == (2, 3, 3, 5) and (x[:, 0] == 7).all()
    assert x[1, 1, 0].tolist() == [-1, -0.5, 0, 0.5, 1] and x[1, 2, :, 4].tolist() == [-1, 0, 1]


def test_an_encoder_nobody_knows_is_refused_by_name():
    with pytest.raises(BadInput, match="hrnet_w17.*did you mean"):
        built("hrnet", encoder="hrnet_w17")
