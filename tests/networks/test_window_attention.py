"""Attention within windows against the formula written out, and what padding and shifting must not do."""

import math

import pytest
import torch

from mos.networks.nnformer import NnFormer
from mos.networks.window_attention import (
    WindowAttention,
    WindowBlock,
    heads_for,
    join_windows,
    split_windows,
)


def tokens(*size, ch=8, bs=2, seed=0):
    return torch.randn(bs, *size, ch, generator=torch.Generator().manual_seed(seed))


def attention(window, **options):
    torch.manual_seed(0)
    layer = WindowAttention(8, 2, window, **options).eval()
    torch.nn.init.normal_(layer.bias)
    return layer


def test_windows_lie_in_reading_order_and_come_back_as_they_were():
    numbers = torch.arange(24).view(1, 4, 6, 1)
    windows = split_windows(numbers, (2, 3))
    assert windows[0, :, :, 0].tolist() == [
        [0, 1, 2, 6, 7, 8],
        [3, 4, 5, 9, 10, 11],
        [12, 13, 14, 18, 19, 20],
        [15, 16, 17, 21, 22, 23],
    ]
    assert torch.equal(join_windows(windows, (2, 3), (4, 6)), numbers)
    volume = tokens(4, 6, 10)
    assert torch.equal(
        join_windows(split_windows(volume, (2, 3, 5)), (2, 3, 5), (4, 6, 10)), volume
    )


def written_out(layer, x, pairs):
    """Each head and token by itself: softmax(q k / sqrt(d) + bias at the offset) v over its partners."""
    bs, h, w, ch = x.shape
    d = ch // layer.heads
    q, k, v = layer.project(x).chunk(3, -1)
    found = torch.zeros_like(x)
    for place, partners in pairs.items():
        for head in range(layer.heads):
            own = slice(head * d, (head + 1) * d)
            scores = []
            for other in partners:
                offset = [a - b + w - 1 for a, b, w in zip(place, other, layer.window)]
                product = (q[:, *place, own] * k[:, *other, own]).sum(-1) / math.sqrt(d)
                scores.append(product + layer.bias[head, *offset])
            weights = torch.stack(scores, -1).softmax(-1)
            values = torch.stack([v[:, *other, own] for other in partners], 1)
            found[:, *place, own] = (weights[..., None] * values).sum(1)
    return layer.out(found)


def grid(h, w):
    return [(y, x) for y in range(h) for x in range(w)]


def test_a_window_is_the_formula_over_its_tokens():
    layer, x = attention((2, 3)), tokens(4, 6)
    pairs = {
        a: [b for b in grid(4, 6) if (a[0] // 2, a[1] // 3) == (b[0] // 2, b[1] // 3)]
        for a in grid(4, 6)
    }
    with torch.no_grad():
        torch.testing.assert_close(layer(x), written_out(layer, x, pairs))


def test_shifted_windows_begin_half_a_window_further_and_do_not_reach_over_the_border():
    layer, x = attention((2, 2), shifted=True), tokens(4, 4)
    pairs = {
        a: [b for b in grid(4, 4) if all((p + 1) // 2 == (q + 1) // 2 for p, q in zip(a, b))]
        for a in grid(4, 4)
    }
    with torch.no_grad():
        torch.testing.assert_close(layer(x), written_out(layer, x, pairs))


def test_a_grid_that_is_no_multiple_of_the_window_sees_no_padding():
    layer, x = attention((2, 3)), tokens(3, 4)
    pairs = {
        a: [b for b in grid(3, 4) if (a[0] // 2, a[1] // 3) == (b[0] // 2, b[1] // 3)]
        for a in grid(3, 4)
    }
    with torch.no_grad():
        torch.testing.assert_close(layer(x), written_out(layer, x, pairs))


def test_a_window_larger_than_the_grid_is_the_whole_grid_shifted_or_not():
    x = tokens(2, 3)
    pairs = {a: grid(2, 3) for a in grid(2, 3)}
    for shifted in (False, True):
        layer = attention((7, 7), shifted=shifted)
        with torch.no_grad():
            torch.testing.assert_close(layer(x), written_out(layer, x, pairs))


@pytest.mark.parametrize("size", [(5, 4, 7), (4, 4, 4), (1, 2, 9)], ids=str)
def test_skip_attention_asks_with_what_comes_up_and_answers_with_the_skip(size):
    torch.manual_seed(0)
    block = WindowBlock(8, (4, 4, 4), asks=True)
    skip, up = tokens(*size).requires_grad_(), tokens(*size, seed=1).requires_grad_()
    answer = block(skip, up)
    assert answer.shape == skip.shape
    # Values are the skip's alone: with one token to ask, what asks only goes the shortcut.
    layer = attention((4, 4), asks=True)
    lone = tokens(1, 1)
    with torch.no_grad():
        assert torch.equal(layer(lone, tokens(1, 1, seed=1)), layer(lone, tokens(1, 1, seed=2)))
    answer.sum().backward()
    assert skip.grad.any() and up.grad.any()


def test_heads_are_of_32_channels_as_far_as_they_divide():
    assert [heads_for(ch) for ch in (96, 192, 768, 16, 80, 100)] == [3, 6, 24, 1, 2, 2]


def test_nnformer_learns_from_all_levels_and_halves_the_weight_of_each():
    network = NnFormer(1, 2, (8, 16, 16), [(1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2)], 0.0)
    outputs = network.train()(torch.rand(1, 1, 8, 16, 16))
    assert [one.weight for one in outputs.auxiliary] == [0.5]
    assert {one.logits.shape for one in outputs.auxiliary} == {(1, 2, 8, 16, 16)}
    assert network.eval()(torch.rand(1, 1, 8, 16, 16)).shape == (1, 2, 8, 16, 16)
