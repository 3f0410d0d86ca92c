"""The losses of heatmaps: least at the right answer, known by hand, deaf to what is masked."""

import math

import pytest
import torch
import torch.nn.functional as F

from mos.data.heatmap import decode, heatmaps, profiles
from mos.losses.heatmap import HEATMAP_LOSSES, PRIOR_LOGIT, heatmap_loss

KINDS = sorted(HEATMAP_LOSSES)
SIZE, SIGMA = (12, 16), 1.5
POINTS = torch.tensor([[[5.3, 4.0], [9.0, 7.6]], [[2.0, 8.0], [12.4, 3.3]]])
ALONG = profiles(POINTS, SIZE, SIGMA)
ALL = torch.ones(2, 2, dtype=torch.bool)


def loss(kind, logits, visible=ALL, along=ALONG):
    return heatmap_loss(kind, logits, *along, visible)


@pytest.mark.parametrize("kind", KINDS)
def test_learning_moves_the_peak_to_the_point(kind):
    torch.manual_seed(0)
    logits = (0.1 * torch.randn(2, 2, *SIZE)).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.1)
    before = loss(kind, logits).mean().item()
    for _ in range(200):
        optimizer.zero_grad()
        loss(kind, logits).mean().backward()
        optimizer.step()
    assert loss(kind, logits).mean().item() < before
    found = decode(HEATMAP_LOSSES[kind].heat(logits), stride=1, method="centroid", radius=3)
    assert (found - POINTS).norm(dim=2).max() < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_masked_is_not_learnt_whatever_it_holds(kind):
    visible = torch.tensor([[True, False], [False, False]])
    unknown = POINTS.clone()
    unknown[0, 1], unknown[1] = float("nan"), float("nan")
    logits = torch.randn(2, 2, *SIZE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = loss(kind, logits, visible, profiles(unknown, SIZE, SIGMA))
    value.sum().backward()
    assert value[1] == 0 and torch.isfinite(logits.grad).all()
    assert logits.grad[0, 0].abs().sum() > 0
    assert logits.grad[0, 1].abs().sum() == 0 and logits.grad[1].abs().sum() == 0
    alone = heatmap_loss(kind, logits[:1, :1], *(a[:1, :1] for a in ALONG), ALL[:1, :1])
    assert value[0].item() == pytest.approx(alone.item())


@pytest.mark.parametrize("kind", KINDS)
def test_averaged_maps_can_be_scored_by_the_loss_they_were_trained_with(kind):
    logits = torch.randn(2, 2, *SIZE, generator=torch.Generator().manual_seed(0))
    way = HEATMAP_LOSSES[kind]
    again = loss(kind, way.logits(way.heat(logits)))
    assert torch.allclose(again, loss(kind, logits), rtol=1e-3)


def test_cross_entropy_is_that_of_torch_with_the_gaussian_as_chances():
    logits = torch.randn(2, 2, *SIZE, generator=torch.Generator().manual_seed(1))
    target = heatmaps(*ALONG).flatten(2)
    target = target / target.sum(2, keepdim=True)
    wanted = F.cross_entropy(
        logits.reshape(4, -1), target.reshape(4, -1), reduction="none"
    ).reshape(2, 2)
    assert torch.allclose(loss("cross_entropy", logits), wanted.mean(1), rtol=1e-5)


def test_the_least_cross_entropy_is_the_entropy_of_the_gaussian():
    middle = profiles(torch.tensor([[[20.0, 20.0]]]), (41, 41), 2.0)
    value = heatmap_loss("cross_entropy", heatmaps(*middle).log(), *middle, ALL[:1, :1])
    assert value.item() == pytest.approx(math.log(2 * math.pi * math.e * 4), rel=1e-3)


def test_squared_error_of_a_map_of_zeros_by_hand():
    sharp = profiles(torch.tensor([[[1.0, 0.0]]]), (1, 2), 0.01)  # one pixel of two is 1
    value = heatmap_loss("squared_error", torch.zeros(1, 1, 1, 2), *sharp, ALL[:1, :1])
    assert value.item() == pytest.approx((0.5 + 1.0) / 2)


def test_focal_loss_of_two_pixels_by_hand():
    sharp = profiles(torch.tensor([[[1.0, 0.0]]]), (1, 2), 0.01)
    value = heatmap_loss("focal", torch.full((1, 1, 1, 2), PRIOR_LOGIT), *sharp, ALL[:1, :1])
    assert value.item() == pytest.approx(2 * 0.25 * math.log(2))  # p is one half, t is 0 and 1


def test_adaptive_wing_by_hand_and_without_a_step_where_it_turns_straight():
    flat = (torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))  # a target of 0
    at = lambda x: heatmap_loss(  # noqa: E731
        "adaptive_wing", torch.tensor([[[[x]]]]), *flat, ALL[:1, :1]
    ).item()
    assert at(0.25) == pytest.approx(14 * math.log(1 + 0.25**2.1), rel=1e-5)
    assert at(0.5001) - at(0.4999) == pytest.approx(2 * (at(0.4999) - at(0.4998)), rel=0.05)
    assert at(2.0) - at(1.0) == pytest.approx(at(1.0) - at(0.5) + (at(2.0) - at(1.5)), rel=1e-4)


def test_half_precision_is_computed_in_single():
    logits = 40 * torch.randn(2, 2, *SIZE, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss("cross_entropy", logits).dtype == torch.float32
        assert torch.allclose(loss("cross_entropy", logits), loss("cross_entropy", logits.float()))


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="along_x is"):
        heatmap_loss("focal", torch.zeros(2, 2, 12, 15), *ALONG, ALL)
