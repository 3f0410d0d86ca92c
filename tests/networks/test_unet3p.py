"""The full-scale skips and side outputs of UNet 3+."""

import torch

from mos.networks.layers import Layers
from mos.networks.norms import norm_layer
from mos.networks.outputs import Outputs
from mos.networks.unet3p import UNet3P

CHANNELS = (2, 3, 4, 5)


def make(strides=((2, 2),) * 3):
    torch.manual_seed(0)
    return UNet3P(Layers(2, norm_layer("instance", 2)), 1, 3, CHANNELS, strides)


def test_every_decoder_level_gets_all_scales_at_its_own_size():
    network = make()
    encoder = [torch.rand(1, n, 16 >> i, 24 >> i) for i, n in enumerate(CHANNELS)]
    fused = CHANNELS[0] * len(CHANNELS)
    for level, block in enumerate(network.decoder):
        below = [torch.rand(1, fused, 16 >> i, 24 >> i) for i in range(level + 1, 3)] + encoder[3:]
        scales = block.scales(encoder[: level + 1], below)
        assert [one.shape[1] for one in scales] == [
            *CHANNELS[: level + 1],
            *[fused] * (2 - level),
            5,
        ]
        assert {tuple(one.shape[2:]) for one in scales} == {(16 >> level, 24 >> level)}
        assert block(encoder[: level + 1], below).shape == (1, fused, 16 >> level, 24 >> level)


def test_finer_levels_are_pooled_by_all_strides_between():
    network = make(strides=((1, 2), (2, 2), (2, 2)))
    assert [pool.kernel_size for pool in network.decoder[2].pools] == [(2, 4), (2, 2)]


def test_every_level_is_supervised_in_training_and_none_at_evaluation():
    network = make()
    image = torch.rand(1, 1, 16, 24)
    answer = network(image)
    assert isinstance(answer, Outputs) and answer.logits.shape == (1, 3, 16, 24)
    assert [one.weight for one in answer.auxiliary] == [1.0] * 3
    assert {one.logits.shape for one in answer.auxiliary} == {(1, 3, 16, 24)}
    assert network.eval()(image).equal(answer.logits), "instance norm: the same in both modes"
