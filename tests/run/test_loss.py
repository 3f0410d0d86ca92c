"""The loss of networks with one output and with several, over every way to learn from partial labels."""

import pytest
import torch
from torch import nn

from mos.losses.edge import edge_samples
from mos.losses.partial import LOSSES
from mos.networks.outputs import Auxiliary, Outputs
from run.baseline.loss import training_loss

LEARNT = (1, 2)


class Answers(nn.Module):
    """A network that answers what it was made with."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, image):
        return self.answer


def logits(seed, channels=3):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(3, channels, 6, 7, generator=random, requires_grad=True)


def batch():
    segment = torch.randint(0, 3, (3, 6, 7), generator=torch.Generator().manual_seed(9))
    return {
        "image": torch.zeros(3, 1, 6, 7),
        "segment": segment.to(torch.uint8),
        "annotated": [(1, 2), (1,), (1,)],
        "set": ["heart", "other", "other"],
    }


def loss_of(answer, way="marginal", sets=("heart", "other")):
    return training_loss(way, LEARNT, sets, None)(Answers(answer), batch())


def alone(one, way):
    """Dice and cross-entropy of one output, per sample."""
    part = batch()
    return sum(LOSSES[way](one, part["segment"], part["annotated"], LEARNT).values())


@pytest.mark.parametrize("way", LOSSES)
def test_outputs_are_summed_with_their_weights(way):
    main, side, edge = logits(0), logits(1), logits(2, channels=1)
    parts = loss_of(
        Outputs(main, (Auxiliary(0.5, side), Auxiliary(2.0, edge, "edge"))), way, sets=("heart",)
    )
    part = batch()
    further = 0.5 * alone(side, way) + 2 * edge_samples(
        edge, part["segment"], part["annotated"], LEARNT
    )
    torch.testing.assert_close(parts["auxiliary_loss"], further.mean())
    torch.testing.assert_close(parts["loss"], (alone(main, way) + further).mean())
    only = loss_of(main, way, sets=("heart",))
    assert all(torch.equal(parts[name], only[name]) for name in ("dice_loss", "ce_loss"))
    parts["loss"].backward()
    assert all(one.grad.any() for one in (main, side, edge))


@pytest.mark.parametrize("way", LOSSES)
def test_each_set_has_its_auxiliary_loss_in_the_log(way):
    parts = loss_of(Outputs(logits(0), (Auxiliary(1.0, logits(1)),)), way)
    for name in ("loss", "dice_loss", "ce_loss", "auxiliary_loss"):
        assert parts[f"{name}[heart]"][1] == 1 and parts[f"{name}[other]"][1] == 2
        total = parts[f"{name}[heart]"][0] + parts[f"{name}[other]"][0]
        assert float(total) == pytest.approx(3 * float(parts[name].detach()), rel=1e-5)


@pytest.mark.parametrize("answer", [logits(0), Outputs(logits(0))], ids=["logits", "outputs"])
def test_one_output_logs_what_it_always_did(answer):
    parts = loss_of(answer, sets=("heart",))
    assert set(parts) == {"loss", "dice_loss", "ce_loss"}
    assert torch.equal(parts["loss"], parts["dice_loss"] + parts["ce_loss"])


def test_the_loss_of_a_batch_is_the_mean_of_its_samples_whatever_they_annotate():
    outputs = Outputs(logits(0), (Auxiliary(1.0, logits(1)), Auxiliary(1.0, logits(2, 1), "edge")))
    whole, part, total = loss_of(outputs)["loss"], batch(), 0.0
    for row in range(3):
        one = {key: value[row : row + 1] for key, value in part.items()}
        answer = Outputs(
            outputs.logits[row : row + 1],
            tuple(a._replace(logits=a.logits[row : row + 1]) for a in outputs.auxiliary),
        )
        total += training_loss("marginal", LEARNT, ("heart",), None)(Answers(answer), one)["loss"]
    torch.testing.assert_close(whole, total / 3)
