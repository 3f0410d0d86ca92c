"""The large kernels of GCN."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mos.networks.gcn import BoundaryRefinement, GlobalConv
from mos.networks.layers import Layers

PLAIN = Layers(2, nn.Identity)


def test_a_global_convolution_equals_a_dense_kernel_summed_from_two_separable_paths():
    torch.manual_seed(0)
    block = GlobalConv(PLAIN, 3, 2, kernel=5).double()
    for path in (block.tall, block.wide):
        nn.init.zeros_(path[0].bias)
    dense = 0
    for path in (block.tall, block.wide):
        first, second = path[0].weight, path[1].weight  # (mid, in, kh, kw), (out, mid, kh, kw)
        dense = dense + torch.einsum("miab,omcd->oiacbd", first, second).reshape(2, 3, 5, 5)
    image = torch.rand(2, 3, 7, 9, dtype=torch.double)
    bias = block.tall[1].bias + block.wide[1].bias
    assert block(image).allclose(F.conv2d(image, dense, bias, padding=2))


@pytest.mark.parametrize(("kernel", "thousands"), [(3, 260), (5, 434), (7, 608), (9, 782)])
def test_its_parameters_are_those_of_the_papers_table(kernel, thousands):
    with torch.device("meta"):
        block = GlobalConv(PLAIN, 2048, 21, kernel)
    weights = sum(p.numel() for name, p in block.named_parameters() if name.endswith("weight"))
    assert weights // 1000 == thousands


def test_refinement_adds_to_the_scores():
    block = BoundaryRefinement(PLAIN, 2)
    nn.init.zeros_(block.change[2].weight)
    nn.init.constant_(block.change[2].bias, 0.5)
    scores = torch.rand(1, 2, 4, 4)
    assert block(scores).allclose(scores + 0.5)
