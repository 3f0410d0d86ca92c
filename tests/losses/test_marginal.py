"""Marginal probabilities: what is not annotated is background, exactly and stably."""

import pytest
import torch

from mos.losses.marginal import marginal_logits, marginal_probabilities, marginal_segment


def test_with_every_label_annotated_it_is_softmax():
    logits = torch.randn(2, 4, 3, 5)
    assert torch.equal(marginal_probabilities(logits, (1, 2, 3)), logits.softmax(1))


def test_an_unannotated_label_gives_its_probability_to_background():
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().view(1, 4, 1)
    result = marginal_probabilities(logits, (2,))
    torch.testing.assert_close(result.flatten(), torch.tensor([0.7, 0.0, 0.3, 0.0]))
    assert result[0, 1] == 0 and result[0, 3] == 0


def test_each_sample_has_its_own_labels():
    logits = torch.tensor([0.1, 0.2, 0.7]).log().view(1, 3, 1).repeat(3, 1, 1)
    result = marginal_probabilities(logits, [(1,), (1, 2), ()])
    wanted = torch.tensor([[0.8, 0.2, 0], [0.1, 0.2, 0.7], [1, 0, 0]])
    torch.testing.assert_close(result[..., 0], wanted)


def test_probabilities_sum_to_one():
    result = marginal_probabilities(torch.randn(2, 6, 4, 4, 4) * 10, [(1, 5), (2,)])
    torch.testing.assert_close(result.sum(1), torch.ones(2, 4, 4, 4))


def test_huge_logits_neither_overflow_nor_turn_into_nan():
    logits = torch.tensor([500.0, 499.0, -500.0, 1000.0]).view(1, 4, 1).requires_grad_()
    result = marginal_logits(logits, (1, 2)).log_softmax(1)
    torch.testing.assert_close(result[0, :, 0], torch.tensor([0.0, -501.0, -1500.0]))
    result[:, 1].sum().backward()
    torch.testing.assert_close(logits.grad.flatten(), torch.tensor([0.0, 1.0, 0.0, -1.0]))


def test_half_precision_logits_are_worked_on_in_float32():
    logits = torch.randn(2, 3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        result = marginal_probabilities(logits.bfloat16(), (1,))
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, marginal_probabilities(logits.bfloat16().float(), (1,)))


@pytest.mark.parametrize(
    "labels, wanted",
    [
        ((1, 2, 3), [[0, 1, 2, 3, 0], [3, 3, 1, 0, 0]]),
        ((2,), [[0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]),
        ((1, 3), [[0, 1, 0, 2, 0], [2, 2, 1, 0, 0]]),
        ((), [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
    ],
)
def test_ids_that_are_not_annotated_become_background_and_the_others_move_up(labels, wanted):
    segment = torch.tensor([[0, 1, 2, 3, 9], [3, 3, 1, 255, 0]])
    assert marginal_segment(segment, labels).tolist() == wanted


@pytest.mark.parametrize("annotated", [(0, 1), (3,), [(1,), (5,)]])
def test_a_label_the_network_does_not_have_is_refused(annotated):
    with pytest.raises(ValueError, match="ids from 1 to 2"):
        marginal_probabilities(torch.zeros(2, 3, 1), annotated)


def test_one_list_per_sample_or_one_for_all():
    with pytest.raises(ValueError, match="3 label lists for 2 samples"):
        marginal_probabilities(torch.zeros(2, 3, 1), [(1,), (1,), (2,)])
