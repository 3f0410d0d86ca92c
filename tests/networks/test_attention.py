"""Every attention head against the paper's formula, written out pixel by pixel."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from mos.networks.ann import AsymmetricAttention, pool_parts
from mos.networks.ccnet import CrissCrossAttention, criss_cross
from mos.networks.danet import ChannelAttention, PositionAttention
from mos.networks.dilated import Segmenter, attend, dilated_encoder
from mos.networks.emanet import EMAttention, em_attention
from mos.networks.encoders import Encoder
from mos.networks.gff import gated_fusion
from mos.networks.layers import Layers
from mos.networks.norms import norm_layer
from mos.networks.ocnet import ObjectContext
from mos.networks.plan import Plan
from mos.networks.psanet import PointwiseAttention, between_places

LAYERS = Layers(2, norm_layer("batch", 2))
SIZES = [(3, 4), (1, 5), (4, 1), (1, 1)]


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def pixels(h: int, w: int) -> list[tuple[int, int]]:
    return list(itertools.product(range(h), range(w)))


def softmax_mean(products: list[torch.Tensor], values: list[torch.Tensor]) -> torch.Tensor:
    """Values weighted by the softmax of their products, one after the other."""
    weights = [product.exp() for product in products]
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-5)


def test_attention_is_the_mean_of_values_weighted_by_the_softmax_of_products():
    query, key, value = drawn(2, 3, 5), drawn(2, 3, 7), drawn(2, 4, 7)
    expected = torch.zeros(2, 4, 5)
    for b, place in itertools.product(range(2), range(5)):
        products = [0.7 * (query[b, :, place] @ key[b, :, other]) for other in range(7)]
        expected[b, :, place] = softmax_mean(products, [value[b, :, other] for other in range(7)])
    assert close(attend(query, key, value, scale=0.7), expected)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_danet_every_position_gains_all_positions(size):
    attention, x = PositionAttention(LAYERS, 8), drawn(2, 8, *size)
    attention.scale.data.fill_(0.5)
    query, key, value = attention.query(x), attention.key(x), attention.value(x)
    expected = x.clone()
    for b, (i, j) in itertools.product(range(2), pixels(*size)):
        products = [query[b, :, i, j] @ key[b, :, k, m] for k, m in pixels(*size)]
        values = [value[b, :, k, m] for k, m in pixels(*size)]
        expected[b, :, i, j] += 0.5 * softmax_mean(products, values)
    assert close(attention(x), expected)


def test_danet_every_channel_gains_the_channels_unlike_it():
    attention, x = ChannelAttention(), drawn(2, 4, 3, 2)
    attention.scale.data.fill_(0.5)
    expected = x.clone()
    for b, one in itertools.product(range(2), range(4)):
        products = [-(x[b, one] * x[b, other]).sum() for other in range(4)]
        expected[b, one] += 0.5 * softmax_mean(products, [x[b, other] for other in range(4)])
    assert close(attention(x), expected)


def naive_cross(query, key, value):
    """Attention of each pixel over its row and column, itself counted once."""
    result = torch.zeros_like(value)
    _, _, h, w = query.shape
    for b, (i, j) in itertools.product(range(len(query)), pixels(h, w)):
        cross = [(k, m) for k, m in pixels(h, w) if k == i or m == j]
        assert len(cross) == h + w - 1
        products = [query[b, :, i, j] @ key[b, :, k, m] for k, m in cross]
        result[b, :, i, j] = softmax_mean(products, [value[b, :, k, m] for k, m in cross])
    return result


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_ccnet_a_pixel_attends_to_its_row_and_column(size):
    query, key, value = drawn(2, 3, *size), drawn(2, 3, *size) + 0.1, drawn(2, 5, *size)
    assert close(criss_cross(query, key, value), naive_cross(query, key, value))


def test_ccnet_twice_equals_the_formula_twice_and_reaches_every_pixel():
    attention, x = CrissCrossAttention(LAYERS, 8), drawn(1, 8, 3, 4)
    attention.scale.data.fill_(0.5)

    def naive(x):
        return x + 0.5 * naive_cross(attention.query(x), attention.key(x), attention.value(x))

    twice = attention(attention(x))
    assert close(twice, naive(naive(x)))
    changed = x.clone()
    changed[..., 0, 0] += 1
    moved_once = (attention(changed) != attention(x)).any(1)[0]
    assert moved_once.tolist() == [[True] * 4, [True] + [False] * 3, [True] + [False] * 3]
    assert (attention(attention(changed)) != twice).any(1).all()


def test_ccnet_needs_no_matrix_of_all_pairs():
    query = drawn(1, 2, 40, 50)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                largest = max(largest, result.numel())
            return result

    with Watch():
        criss_cross(query, query, query)
    assert largest <= 40 * 50 * (40 + 50)


def naive_em(places, bases, steps):
    """E and M in turn for one image: (ch, places) and (ch, bases)."""
    count, bases = bases.shape[1], bases.clone()
    shares = torch.zeros(places.shape[1], count)
    for _ in range(steps):
        for n in range(places.shape[1]):
            products = torch.stack([places[:, n] @ bases[:, k] for k in range(count)])
            shares[n] = products.exp() / products.exp().sum()
        for k in range(count):
            mean = sum(shares[n, k] * places[:, n] for n in range(len(shares)))
            mean = mean / (shares[:, k].sum() + 1e-6)
            bases[:, k] = mean / mean.norm()
    rebuilt = [sum(shares[n, k] * bases[:, k] for k in range(count)) for n in range(len(shares))]
    return torch.stack(rebuilt, 1), bases


@pytest.mark.parametrize("steps", [1, 3])
def test_emanet_equals_expectation_and_maximisation_in_turn(steps):
    places, bases = drawn(2, 4, 6), F.normalize(drawn(4, 3), dim=0)
    rebuilt, found = em_attention(places, bases, steps)
    for b in range(2):
        expected, expected_bases = naive_em(places[b], bases, steps)
        assert close(rebuilt[b], expected) and close(found[b], expected_bases)


def test_emanet_moves_its_bases_in_training_only():
    attention, x = EMAttention(LAYERS, 4, bases=3), drawn(2, 4, 2, 3)
    before = attention.bases.clone()
    assert torch.allclose(before.norm(dim=0), torch.ones(3))
    attention.eval()(x)
    assert torch.equal(attention.bases, before)
    _, found = em_attention(attention.before(x).flatten(2), before)
    attention.train()(x).sum().backward()
    assert close(attention.bases, 0.9 * before + 0.1 * found.mean(0))
    assert attention.before.weight.grad.any(), "the first convolution learns"
    assert "bases" in attention.state_dict()


def test_ann_parts_are_means_over_a_pyramid():
    x = drawn(1, 2, 24, 48)
    parts = pool_parts(x)
    assert parts.shape == (1, 2, 1 + 9 + 36 + 64)
    assert close(parts[..., 0], x.mean((2, 3)))
    assert close(parts[..., 1], x[..., :8, :16].mean((2, 3)))
    assert close(parts[..., 9], x[..., 16:, 32:].mean((2, 3)))
    assert close(parts[..., -1], x[..., 21:, 42:].mean((2, 3)))


@pytest.mark.parametrize("asked_channels", [None, 6])
def test_ann_positions_ask_the_parts(asked_channels):
    attention = AsymmetricAttention(LAYERS, 4, 2, asked_channels).eval()
    x = drawn(2, 4, 3, 2)
    asked = x if asked_channels is None else drawn(2, 6, 5, 7)
    key_of = attention.query if asked_channels is None else attention.key
    query, key = attention.query(x), pool_parts(key_of(asked))
    value = pool_parts(attention.value(asked))
    context = torch.zeros(2, 2, 3, 2)
    for b, (i, j) in itertools.product(range(2), pixels(3, 2)):
        products = [query[b, :, i, j] @ key[b, :, s] / 2**0.5 for s in range(110)]
        context[b, :, i, j] = softmax_mean(products, [value[b, :, s] for s in range(110)])
    expected = attention.merge(torch.cat([attention.widen(context), x], 1))
    assert close(attention(x, asked), expected)


def test_ocnet_queries_are_its_keys():
    context, x = ObjectContext(LAYERS, 4).eval(), drawn(1, 4, 2, 3)
    likeness, value = context.likeness(x), context.value(x)
    mean = torch.zeros_like(x)
    for i, j in pixels(2, 3):
        products = [likeness[0, :, i, j] @ likeness[0, :, k, m] / 2**0.5 for k, m in pixels(2, 3)]
        mean[0, :, i, j] = softmax_mean(products, [value[0, :, k, m] for k, m in pixels(2, 3)])
    assert close(context(x), context.after(mean))


@pytest.mark.parametrize("size", [(3, 4), (4, 5), (1, 1)], ids=str)
def test_psanet_a_map_of_offsets_says_what_lies_between_two_places(size):
    reach = (3, 4)
    maps = drawn(2, 5 * 7, *size)
    between = between_places(maps, reach)
    for b, (i, j), (k, m) in itertools.product(range(2), pixels(*size), pixels(*size)):
        found = between[b, k * size[1] + m, i * size[1] + j]
        if abs(k - i) >= reach[0] or abs(m - j) >= reach[1]:
            assert found == -torch.inf
        else:
            assert found == maps[b, (k - i + 2) * 7 + (m - j + 3), i, j]


@pytest.mark.parametrize("distribute", [False, True])
@pytest.mark.parametrize("size", [(5, 7), (9, 4), (1, 2)], ids=str)
def test_psanet_collects_and_distributes(size, distribute):
    reach = (3, 4)  # of a crop of 5 or 6 by 7 or 8 features; (9, 4) is taller
    attention = PointwiseAttention(LAYERS, 6, 3, reach, distribute=distribute).eval()
    x = drawn(2, 6, *size)
    h, w = (size[0] + 1) // 2, (size[1] + 1) // 2
    values = F.interpolate(attention.reduce(x), (h, w), mode="bilinear", align_corners=True)
    maps = attention.weights(values)
    expected = torch.zeros(2, 3, h, w)
    for b, (i, j) in itertools.product(range(2), pixels(h, w)):
        near = [(k, m) for k, m in pixels(h, w) if abs(k - i) < 3 and abs(m - j) < 4]
        if distribute:  # (k, m) says what it gives to (i, j)
            products = [maps[b, (i - k + 2) * 7 + (j - m + 3), k, m] for k, m in near]
        else:  # (i, j) says what it takes from (k, m)
            products = [maps[b, (k - i + 2) * 7 + (m - j + 3), i, j] for k, m in near]
        expected[b, :, i, j] = softmax_mean(products, [values[b, :, k, m] for k, m in near])
    assert close(attention(x), expected)


def test_gff_a_stage_takes_from_others_what_their_gates_let_through_and_its_own_lacks():
    stages = [drawn(1, 2, 3, 3), drawn(1, 2, 3, 3) + 1, drawn(1, 2, 3, 3) - 1]
    gates = [torch.rand(1, 1, 3, 3), torch.ones(1, 1, 3, 3), torch.zeros(1, 1, 3, 3)]
    first, second, third = gated_fusion(stages, gates)
    assert close(first, (1 + gates[0]) * stages[0] + (1 - gates[0]) * stages[1])
    assert close(second, 2 * stages[1]), "an open gate takes nothing"
    assert close(third, stages[2] + gates[0] * stages[0] + stages[1]), "a shut one takes all"


@pytest.mark.parametrize("encoder, stride", [("resnet18", 8), ("resnet18", 16), ("densenet121", 8)])
def test_an_encoder_keeps_its_stride_by_dilation_and_the_weights_of_the_undilated_fit(
    encoder, stride
):
    plan = Plan(in_channels=1, label_count=2, crop_size=(33, 33), spacing=(1, 1), encoder=encoder)
    dilated, plain = dilated_encoder(plan, stride=stride), Encoder(encoder, plan)
    with torch.no_grad():
        features = dilated.eval()(torch.rand(1, 1, 33, 65))
    shapes = [{key: one.shape for key, one in e.state_dict().items()} for e in (dilated, plain)]
    assert shapes[0] == shapes[1]
    assert dilated.strides == [min(step, stride) for step in (4, 8, 16, 32)]
    assert plain.strides == [4, 8, 16, 32]
    for one, channels, step in zip(features, dilated.channels, dilated.strides, strict=True):
        assert one.shape == (1, channels, 32 // step + 1, 64 // step + 1)


class EveryEighth(torch.nn.Module):
    """An encoder that looks at every eighth pixel."""

    strides = [8]

    def forward(self, image):
        return [image[..., ::8, ::8]]


class Last(torch.nn.Module):
    def forward(self, features):
        return features[-1]


@pytest.mark.parametrize("size", [(25, 33), (30, 41), (7, 1)], ids=str)
def test_logits_come_back_to_the_pixels_they_were_seen_at(size):
    """A ramp, seen at every eighth pixel and enlarged, is the ramp again."""
    rows, columns = torch.meshgrid(*(torch.arange(n) / 8 for n in size), indexing="ij")
    ramp = (rows + 2 * columns)[None, None]
    answer = Segmenter(EveryEighth(), Last())(ramp)
    assert answer.shape == ramp.shape
    # Beyond the last eighth pixel the border is repeated.
    seen = (..., *(slice((n - 1) // 8 * 8 + 1) for n in size))
    assert torch.allclose(answer[seen], ramp[seen], atol=1e-5)
