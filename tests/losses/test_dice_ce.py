"""Dice + cross-entropy: an average over samples, marginal, and kind to labels that are absent."""

import pytest
import torch
import torch.nn.functional as F

from mos.losses.dice_ce import dice_ce


def sure(segment: torch.Tensor, label_count: int, height: float = 50.0) -> torch.Tensor:
    """Logits of a network that is certain of a segmentation."""
    return height * F.one_hot(segment.long(), label_count).movedim(-1, 1).float()


def plain(logits, segment, annotated):
    """The formulas of the docstring, one voxel sum at a time, in float64."""
    losses = []
    for x, t in zip(logits.double(), segment):
        p, n = x.softmax(0), t.numel()
        background = [i for i in range(len(x)) if i not in annotated]
        t = torch.where(torch.isin(t, torch.tensor(annotated)), t, 0)
        right = torch.where(t == 0, p[background].sum(0), p.gather(0, t[None])[0])
        terms = []
        for label in annotated:
            mask, size = t == label, p[label].sum()
            if mask.any():
                terms.append(1 - (2 * p[label][mask].sum() + 1) / (size + mask.sum() + 1))
            else:
                terms.append(size / (size + 0.01 * n))
        losses.append((-right.log().mean(), sum(terms) / len(terms)))
    ce, dice = (sum(part) / len(part) for part in zip(*losses))
    return {"loss": ce + dice, "ce_loss": ce, "dice_loss": dice}


@pytest.mark.parametrize("shape", [(3, 4, 6, 5), (2, 3, 4, 3, 5)])
@pytest.mark.parametrize("annotated", [(1, 2), (2,)])
def test_it_is_what_the_docstring_says(shape, annotated):
    torch.manual_seed(0)
    logits = torch.randn(shape)
    segment = torch.randint(0, shape[1], (shape[0], *shape[2:]))
    segment[0][segment[0] == 2] = 0  # one sample shows no label 2
    result, wanted = dice_ce(logits, segment, annotated), plain(logits, segment, annotated)
    assert result.keys() == wanted.keys()
    for name, value in result.items():
        torch.testing.assert_close(value.double(), wanted[name], rtol=1e-5, atol=1e-6)


def test_cross_entropy_is_torchs():
    logits, segment = torch.randn(3, 4, 8, 8), torch.randint(0, 4, (3, 8, 8))
    result = dice_ce(logits, segment, (1, 2, 3))["ce_loss"]
    torch.testing.assert_close(result, F.cross_entropy(logits, segment))


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_much():
    segment = torch.zeros(1, 8, 8, dtype=torch.long)
    segment[0, 2:5, 2:6] = 1
    assert dice_ce(sure(segment, 2), segment, (1,))["loss"] < 1e-6
    assert dice_ce(sure(1 - segment, 2), segment, (1,))["dice_loss"] > 0.97


def test_the_loss_of_a_batch_is_the_mean_of_the_losses_of_its_parts():
    torch.manual_seed(0)
    logits, segment = torch.randn(4, 3, 6, 6), torch.randint(0, 3, (4, 6, 6))
    segment[1] = 0
    annotated = [(1, 2), (1, 2), (2,), (1, 2)]
    whole = dice_ce(logits, segment, annotated)
    parts = [dice_ce(logits[i : i + 2], segment[i : i + 2], annotated[i : i + 2]) for i in (0, 2)]
    for name in whole:
        torch.testing.assert_close(whole[name], (parts[0][name] + parts[1][name]) / 2)


def test_so_are_its_gradients():
    torch.manual_seed(0)
    segment = torch.randint(0, 3, (4, 6, 6))
    weight = torch.randn(3, 1, 1, requires_grad=True)
    image = torch.randn(4, 1, 6, 6)

    def slope(rows):
        loss = dice_ce(weight * image[rows], segment[rows], (1, 2))["loss"]
        return torch.autograd.grad(loss, weight)[0]

    halves = (slope(slice(0, 2)) + slope(slice(2, 4))) / 2
    torch.testing.assert_close(slope(slice(0, 4)), halves)


@pytest.mark.parametrize("annotated", [(1, 2, 3), (2,), [(1,), (2, 3)]])
def test_the_gradient_reaches_every_logit(annotated):
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 5, 5, requires_grad=True)
    dice_ce(logits, torch.randint(0, 4, (2, 5, 5)), annotated)["loss"].backward()
    assert torch.isfinite(logits.grad).all() and (logits.grad != 0).all()


def test_a_partly_labelled_set_does_not_teach_that_the_other_organ_is_absent():
    organ = torch.zeros(1, 6, 6, dtype=torch.long)
    organ[0, 1:4, 1:4] = 2
    unlabelled = torch.zeros_like(organ)  # this set annotates label 1 only
    assert dice_ce(sure(organ, 3), unlabelled, (1,))["loss"] < 1e-6
    assert dice_ce(sure(organ, 3), unlabelled, (1, 2))["loss"] > 1


def test_labels_of_the_segment_that_are_not_annotated_count_as_background():
    logits, segment = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    without = torch.where(segment == 2, 0, segment)
    assert dice_ce(logits, segment, (1,)) == dice_ce(logits, without, (1,))


def test_an_absent_label_costs_nothing_once_its_probability_is_gone():
    empty = torch.zeros(1, 16, 16, dtype=torch.long)
    assert dice_ce(sure(empty, 3), empty, (1, 2))["loss"] < 1e-6


def test_an_absent_label_pulls_no_harder_than_a_small_organ():
    empty, organ = (torch.zeros(1, 40, 40, dtype=torch.long) for _ in range(2))
    organ[0, :4, :4] = 1  # 1 % of the image

    def pull(segment):
        logits = sure(segment, 2, 6.0).requires_grad_()
        grad = torch.autograd.grad(dice_ce(logits, segment, (1,))["dice_loss"], logits)[0]
        return grad[0, 1, 20:, 20:].abs().sum()  # on background far from the organ

    assert 0.2 < pull(empty) / pull(organ) < 2


def test_a_sample_that_annotates_nothing_teaches_nothing():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    result = dice_ce(logits, torch.randint(0, 3, (1, 4, 4)), ())
    result["loss"].backward()
    assert abs(result["loss"].item()) < 1e-6 and logits.grad.abs().max() < 1e-6


def test_half_precision_logits_under_autocast_are_worked_on_in_float32():
    logits, segment = torch.randn(2, 3, 8, 8).bfloat16(), torch.randint(0, 3, (2, 8, 8))
    with torch.autocast("cpu", torch.bfloat16):
        result = dice_ce(logits, segment, (1, 2))["loss"]
    torch.testing.assert_close(result, dice_ce(logits.float(), segment, (1, 2))["loss"])


def test_a_segment_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"segment of shape \(2, 8, 8\), got \(2, 1, 8, 8\)"):
        dice_ce(torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8).long(), (1,))
