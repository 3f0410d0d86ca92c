"""Three ways to learn from samples that annotate only some labels, on voxels one can count."""

import math

import pytest
import torch
from torch import nn

from mos.losses.dice_ce import dice_ce, dice_ce_samples
from mos.losses.ignore import ignore_samples
from mos.losses.mask import mask_probabilities, mask_samples
from mos.losses.partial import LOSSES, PROBABILITIES

MIXED = [(1, 2), (1,), (2,), (1,)]


def problem(seed=0, bs=4):
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(bs, 3, 5, 6, generator=random, requires_grad=True)
    return logits, torch.randint(0, 3, (bs, 5, 6), generator=random)


@pytest.mark.parametrize("way", LOSSES)
def test_each_sample_has_its_own_loss_whatever_else_is_in_the_batch(way):
    logits, segment = problem()
    together = LOSSES[way](logits, segment, MIXED, (1, 2))
    for row, labels in enumerate(MIXED):
        alone = LOSSES[way](logits[row : row + 1], segment[row : row + 1], [labels], (1, 2))
        for name in ("dice_loss", "ce_loss"):
            assert together[name].shape == (4,)
            assert float(together[name][row].detach()) == pytest.approx(
                float(alone[name].detach()), rel=1e-5
            )


def test_marginal_is_the_loss_of_runs_on_one_set():
    logits, segment = problem()
    whole = dice_ce(logits, segment, (1, 2))
    samples = LOSSES["marginal"](logits, segment, [(1, 2)] * 4, (1, 2))
    assert whole["loss"] == samples["dice_loss"].mean() + samples["ce_loss"].mean()


def test_a_mask_is_the_mean_of_the_annotated_channels_alone():
    logits = torch.zeros(1, 3, 1, 4)
    logits[0, 2] = math.log(3)  # sigmoid 3/4
    segment = torch.tensor([[[2, 2, 1, 0]]])
    both = mask_samples(logits, segment, [(1, 2)])
    second = -(2 * math.log(0.75) + 2 * math.log(0.25)) / 4
    assert float(both["ce_loss"]) == pytest.approx((math.log(2) + second) / 2)
    # I = 0.5, P = 2, T = 1 and I = 1.5, P = 3, T = 2
    assert float(both["dice_loss"]) == pytest.approx(1 - (2 / 4 + 4 / 6) / 2)
    alone = mask_samples(logits, segment, [(2,)])
    assert float(alone["ce_loss"]) == pytest.approx(second)


def test_a_mask_says_nothing_to_background_and_to_labels_that_are_not_annotated():
    logits, segment = problem(bs=1)
    sum(mask_samples(logits, segment, [(2,)]).values()).sum().backward()
    assert (logits.grad[:, :2] == 0).all() and (logits.grad[:, 2] != 0).all()


def test_a_mask_predicts_the_largest_sigmoid_above_one_half_else_background():
    logits, _ = problem(3)
    chance = mask_probabilities(logits.detach(), (1, 2))
    sigmoid = logits.detach()[:, 1:].sigmoid()
    best, label = sigmoid.max(1)
    assert torch.equal(chance.argmax(1), torch.where(best > 0.5, label + 1, 0))
    assert torch.allclose(chance.sum(1), torch.ones(4, 5, 6))


@pytest.mark.parametrize("way", PROBABILITIES)
def test_a_label_that_was_not_learnt_is_never_predicted(way):
    logits, _ = problem()
    logits = logits.detach()
    logits[:, 1] = 50.0
    chance = PROBABILITIES[way](logits, (2,))
    assert (chance[:, 1] == 0).all() and torch.allclose(chance.sum(1), torch.ones(4, 5, 6))


def test_ignoring_is_the_plain_loss_where_everything_is_annotated():
    logits, segment = problem()
    plain = dice_ce_samples(logits, segment, (1, 2))
    ignored = ignore_samples(logits, segment, [(1, 2)] * 4, (1, 2))
    assert all(torch.equal(plain[name], ignored[name]) for name in plain)


def test_ignored_voxels_have_no_slope_and_the_others_compete_with_every_label():
    logits, segment = problem(bs=1)
    sum(ignore_samples(logits, segment, [(1,)], (1, 2)).values()).sum().backward()
    touched = (logits.grad != 0).any(1)
    assert torch.equal(touched, segment == 1)
    assert (logits.grad[0, 2][segment[0] == 1] > 0).all(), "label 2 is pushed down there"


def test_a_sample_with_no_voxel_to_keep_costs_nothing():
    logits, segment = problem(bs=1)
    losses = ignore_samples(logits, torch.zeros_like(segment), [(1,)], (1, 2))
    assert float(losses["dice_loss"].detach()) == float(losses["ce_loss"].detach()) == 0
    sum(losses.values()).sum().backward()
    assert torch.isfinite(logits.grad).all() and (logits.grad == 0).all()


def test_a_shape_that_does_not_fit_is_refused():
    logits, segment = problem()
    for way in LOSSES.values():
        with pytest.raises(ValueError, match="need a segment of shape"):
            way(logits, segment[:, 1:], MIXED, (1, 2))


def dice(predicted, truth, label):
    both = ((predicted == label) & (truth == label)).sum()
    return float(2 * both / ((predicted == label).sum() + (truth == label).sum()))


def learn(way):
    """Dice of labels 1 and 2 after training on two samples with both and six whose 2 is hidden.

    The brightness of a voxel tells its label: about 0.1 background, 0.5 label 1, 0.9 label 2.
    """
    torch.manual_seed(0)
    truth = torch.zeros(9, 12, 12, dtype=torch.long)
    truth[:, 1:5, 1:6], truth[:, 6:10, 5:11] = 1, 2
    image = (0.1 + 0.4 * truth + 0.05 * torch.randn(truth.shape))[:, None]
    network = nn.Sequential(nn.Conv2d(1, 16, 1), nn.ReLU(), nn.Conv2d(16, 3, 1))
    steps = torch.optim.Adam(network.parameters(), 0.05)
    seen = truth[:8].clone()
    seen[2:][seen[2:] == 2] = 0
    annotated = [(1, 2)] * 2 + [(1,)] * 6
    if way == "plain":  # what is hidden is taken for background
        way, annotated = "marginal", [(1, 2)] * 8
    for _ in range(150):
        losses = LOSSES[way](network(image[:8]), seen, annotated, (1, 2))
        steps.zero_grad()
        (losses["dice_loss"] + losses["ce_loss"]).mean().backward()
        steps.step()
    with torch.no_grad():
        predicted = PROBABILITIES[way](network(image[8:]), (1, 2)).argmax(1)
    return dice(predicted, truth[8:], 1), dice(predicted, truth[8:], 2)


@pytest.mark.parametrize("way", LOSSES)
def test_a_label_that_most_samples_hide_is_learnt(way):
    always, hidden = learn(way)
    assert always > 0.95 and hidden > 0.95


def test_a_loss_that_takes_hidden_labels_for_background_loses_them():
    always, hidden = learn("plain")
    assert always > 0.95 and hidden < 0.1
