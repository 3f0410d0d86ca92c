"""What is particular to the blocks of MultiResUNet, ResUNet++, ENet, ESPNet, MiniSeg, BiSeNet V2 and DenseVoxNet."""

import torch
from torch import nn

from mos.networks.bisenetv2 import BiSeNetV2, GuidedAggregation
from mos.networks.densevoxelnet import DenseBlock, DenseVoxelNet
from mos.networks.enet import Double, Halve
from mos.networks.espnet import Pyramid
from mos.networks.layers import Layers
from mos.networks.miniseg import MiniSeg, Stage
from mos.networks.multiresunet import MultiRes
from mos.networks.norms import norm_layer
from mos.networks.resunet import ResidualUnit
from mos.networks.resunetpp import SqueezeExcitation

PLAIN = Layers(2, nn.Identity)  # without norm
NORMED = Layers(2, norm_layer("instance", 2))


def dot(size: int) -> torch.Tensor:
    """One bright pixel in the middle."""
    image = torch.zeros(1, 1, size, size)
    image[..., size // 2, size // 2] = 1.0
    return image


def reach(features: torch.Tensor) -> int:
    """Over how many columns a dot has spread."""
    return int((features.abs().sum(dim=(0, 1, 2)) > 0).sum())


def positive(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)
    return module


def test_a_multires_block_joins_what_3x3_5x5_and_7x7_pixels_show():
    block = positive(MultiRes(PLAIN, 1, 12))
    joined = []
    block.joined.register_forward_hook(lambda _, inputs, __: joined.append(inputs[0]))
    assert block(dot(11)).shape[1] == block.out_channels == 3 + 6 + 10
    assert [reach(part) for part in joined[0].split([3, 6, 10], dim=1)] == [3, 5, 7]


def test_a_residual_unit_is_its_shortcut_where_it_has_nothing_to_add():
    unit = ResidualUnit(NORMED, 2, 3, stride=2)
    for last in unit.residual[1][2].parameters():
        nn.init.zeros_(last)
    image = torch.rand(1, 2, 6, 8)
    assert unit(image).equal(unit.shortcut(image)) and unit(image).shape == (1, 3, 3, 4)


def test_squeeze_and_excitation_scales_whole_channels_down():
    torch.manual_seed(0)
    block = SqueezeExcitation(PLAIN, 16)
    factors = block(torch.ones(1, 16, 3, 3))
    assert ((factors > 0) & (factors < 1)).all() and factors.std(dim=(2, 3)).max() < 1e-6


def test_enets_doubling_puts_values_where_its_halving_took_them_from():
    torch.manual_seed(0)
    halve, double = Halve(PLAIN, 4, 8, 0.0).eval(), Double(PLAIN, 8, 4).eval()
    for block in (halve, double):  # nothing but the pooled values and their way back
        nn.init.zeros_(block.change[6].weight)
    with torch.no_grad():
        double.fewer[0].weight.copy_(torch.eye(4, 8)[..., None, None])
    image = torch.rand(1, 4, 6, 6)
    small, places = halve(image)
    assert small[:, 4:].eq(0).all(), "empty channels are added"
    back = double(small, places)
    assert back[back > 0].equal(image[back > 0]) and (back > 0).sum() == small[:, :4].numel()


def test_esp_branches_reach_1_to_16_pixels_and_are_summed_up_but_for_the_first():
    pyramid = positive(Pyramid(PLAIN, 1, 5))
    spread = pyramid(dot(41))
    # Three taps of each dilation; sums collect the columns of the branches before: 3, 3, 5, 7, 9.
    assert [reach(spread[:, i : i + 1]) for i in range(5)] == [3, 3, 5, 7, 9]
    assert spread[0, 4, 20, 4] > 0, "a dilation of 16"


def test_miniseg_adds_its_side_path_before_every_block():
    seen = []

    class Block(nn.Module):
        def __init__(self, layers, in_channels, out_channels, stride):
            super().__init__()
            self.stride = stride

        def forward(self, x):
            seen.append(x.clone())
            return x[..., :: self.stride, :: self.stride] * 0 + 1

    stage = Stage(PLAIN, 1, 1, 2, Block, last=True)
    for part in (stage.enter_side, *stage.side):
        part.forward = lambda x: torch.full((1, 1, 2, 2), 10.0)
    x, _, side = stage(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))
    assert [one.max().item() for one in seen] == [0, 1 + 10, 2 + 20]
    assert x.max() == 3 and side.max() == 20


def test_side_outputs_come_with_the_papers_weight():
    volumes = Layers(3, norm_layer("instance", 3))
    for network, size, weights in (
        (MiniSeg(NORMED, 1, 3), (16, 32), [0.4] * 3),
        (BiSeNetV2(NORMED, 1, 3), (32, 32), [1.0] * 4),
        (DenseVoxelNet(volumes, 1, 3, [(1, 2, 2), (2, 2, 2)]), (2, 4, 4), [0.33]),
    ):
        with torch.no_grad():
            answer = network(torch.rand(1, 1, *size))
        assert [one.weight for one in answer.auxiliary] == weights
        assert {one.logits.shape for one in answer.auxiliary} == {(1, 3, *size)}


def test_each_branch_of_bisenetv2_can_close_the_other():
    torch.manual_seed(0)
    block = GuidedAggregation(PLAIN, 4)
    gates = []
    block.last.register_forward_hook(lambda _, inputs, __: gates.append(inputs[0]))
    detail, semantic = torch.rand(1, 4, 16, 16), torch.rand(1, 4, 4, 4)
    for part in (block.semantic, block.semantic_large):  # both gates of the semantic branch shut
        part.forward = lambda x: torch.full_like(x, -1e4)
    block(detail, semantic)
    assert gates[0].abs().max() == 0


def test_a_dense_block_keeps_its_input_and_adds_twelve_features_each_time():
    block = DenseBlock(NORMED, 5).eval()
    image = torch.rand(1, 5, 4, 4)
    made = block(image)
    assert made.shape[1] == block.out_channels == 5 + 12 * 12
    assert made[:, :5].equal(image)
    assert [conv[2].in_channels for conv in block.convs] == [5 + 12 * i for i in range(12)]
