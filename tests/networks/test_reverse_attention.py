"""Reverse attention: the papers' rule for one structure, and what it does with several."""

import pytest
import torch

from mos.networks.layers import Layers
from mos.networks.norms import norm_layer
from mos.networks.partial_decoder import PartialDecoder, ReverseAttention, unfound
from mos.networks.plan import Plan
from mos.networks.table import NETWORKS

LAYERS = Layers(2, norm_layer("batch", 2))


def test_for_one_structure_it_is_one_minus_the_sigmoid_of_the_papers():
    logits = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    expected = 1 - (logits[:, 1:] - logits[:, :1]).sigmoid()
    torch.testing.assert_close(unfound(logits), expected)


def test_what_is_found_is_erased_whatever_its_label_and_doubtful_borders_stay():
    sure = 20 * torch.eye(3)
    between = torch.tensor([-20.0, 5, 5])
    pixels = torch.stack([sure[0], sure[1], sure[2], between], 1)[None, :, None]
    torch.testing.assert_close(unfound(pixels)[0, 0, 0], torch.tensor([1.0, 0, 0, 0.5]))


def test_where_all_is_found_a_branch_sees_nothing_and_hands_the_answer_on():
    torch.manual_seed(0)
    branch = ReverseAttention(LAYERS, 6, 8, 2).eval()
    found = torch.zeros(1, 2, 4, 4)
    found[:, 1] = 60
    features = torch.randn(1, 6, 4, 4)
    with torch.no_grad():
        correction = branch(features, found) - found
        assert torch.equal(correction, branch(2 * features, found) - found)
        missed = -found
        assert not torch.equal(branch(features, missed), branch(2 * features, missed))


def test_the_partial_decoder_answers_in_the_size_of_its_finest_map():
    decoder = PartialDecoder(LAYERS, 4, 5)
    maps = [torch.rand(2, 4, *size) for size in ((1, 1), (2, 3), (4, 5))]
    assert decoder(*maps).shape == (2, 5, 4, 5)


@pytest.mark.parametrize(
    "name, targets",
    [
        ("pranet", ["segment"] * 3),
        ("caranet", ["segment"] * 3),
        ("infnet", ["segment"] * 3 + ["edge"]),
    ],
)
def test_all_answers_are_learnt_from_with_weight_one(name, targets):
    plan = Plan(
        in_channels=1, label_count=3, crop_size=(32, 32), spacing=(1.0, 1.0), encoder="test_resnet"
    )
    network = NETWORKS[name].build(plan).train()
    outputs = network(torch.rand(1, 1, 33, 41))
    assert [one.target for one in outputs.auxiliary] == targets
    assert {one.weight for one in outputs.auxiliary} == {1.0}
    for one in outputs.auxiliary:
        assert one.logits.shape == (1, 3 if one.target == "segment" else 1, 33, 41)
