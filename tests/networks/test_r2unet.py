"""The recurrent convolution of R2U-Net, and the gates of its attention form."""

import torch
from torch import nn

from mos.networks.attr2unet import AttentionGate
from mos.networks.layers import Layers
from mos.networks.r2unet import RecurrentConv

PLAIN = Layers(2, nn.Identity)  # without norm


def test_a_recurrent_convolution_has_one_kernel_for_all_its_steps():
    block = RecurrentConv(PLAIN, 4, steps=3)
    assert [p.shape for p in block.parameters()] == [(4, 4, 3, 3)]


def test_each_step_sees_the_input_and_what_the_step_before_gave():
    block = RecurrentConv(PLAIN, 1, steps=2)
    with torch.no_grad():
        block.conv.weight.zero_()
        block.conv.weight[0, 0, 1, 1] = 0.5
    # 1 -> 0.5; (1 + 0.5) / 2 = 0.75; (1 + 0.75) / 2 = 0.875
    assert block(torch.ones(1, 1, 2, 2)).allclose(torch.full((1, 1, 2, 2), 0.875))


def test_each_step_has_a_norm_of_its_own():
    block = RecurrentConv(Layers(2, nn.BatchNorm2d), 2, steps=2)
    block(torch.rand(2, 2, 4, 4))
    assert [norm.num_batches_tracked.item() for norm in block.norms] == [1, 1, 1]


def test_a_gate_lets_each_voxel_through_by_a_share_of_its_own():
    torch.manual_seed(0)
    gate = AttentionGate(Layers(2, nn.BatchNorm2d), 4)
    skip = torch.ones(2, 4, 5, 5)
    share = gate(skip, torch.rand(2, 4, 5, 5))
    assert ((share > 0) & (share < 1)).all()
    assert share.std(dim=1).max() < 1e-6, "the same for all channels"
    assert share[:, 0].std() > 0.01, "but not for all voxels"
