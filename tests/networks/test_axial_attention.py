"""MedT's gated axial attention and CaraNet's attention along lines, against their formulas."""

import pytest
import torch

from mos.networks.caranet import LineAttention
from mos.networks.layers import Layers
from mos.networks.medt import AxialAttention, Branch
from mos.networks.norms import norm_layer


def features(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def no_norm(channels):
    """Leaves everything as it is; has a shift, as norms do."""
    layer = torch.nn.Identity()
    layer.bias = torch.nn.Parameter(torch.zeros(channels))
    return layer


def written_out(layer, x):
    """Valanarasu et al. 2021, equation 4, along the columns of x (1, ch, h, w)."""
    _, ch, h, w = x.shape
    own, found = ch // layer.groups, torch.zeros_like(x)
    qkv = layer.qkv(x)[0].view(layer.groups, 2 * own, h, w)
    for group in range(layer.groups):
        for column in range(w):
            q, k, v = qkv[group, :, :, column].split([own // 2, own // 2, own])
            for i in range(h):
                scores = []
                for j in range(h):
                    score = q[:, i] @ k[:, j]
                    if layer.positions is not None:
                        at_q, at_k, _ = layer.positions[:, j - i + h - 1].split(
                            [own // 2, own // 2, own]
                        )
                        score = score + layer.query_gate * (q[:, i] @ at_q)
                        score = score + layer.key_gate * (k[:, j] @ at_k)
                    scores.append(score)
                for j, weight in enumerate(torch.stack(scores).softmax(0)):
                    value = v[:, j]
                    if layer.positions is not None:
                        at_v = layer.positions[own:, j - i + h - 1]
                        value = layer.value_gate * value + layer.position_gate * at_v
                    found[0, group * own : (group + 1) * own, i, column] += weight * value
    return found


@pytest.mark.parametrize("length", [None, 5], ids=["plain", "gated"])
def test_axial_attention_is_the_papers_formula_for_every_pixel_of_a_column(length):
    torch.manual_seed(0)
    layer, x = AxialAttention(8, 2, 2, no_norm, length), features(1, 8, 5, 3)
    with torch.no_grad():
        for gate in ("query", "key", "position") if length else ():
            getattr(layer, f"{gate}_gate").fill_(0.7)
        torch.testing.assert_close(layer(x), written_out(layer, x))


def test_rows_are_the_columns_of_the_turned_image():
    torch.manual_seed(0)
    columns = AxialAttention(8, 2, 2, norm_layer("batch", 2), 4).eval()
    rows = AxialAttention(8, 2, 3, norm_layer("batch", 2), 4).eval()
    rows.load_state_dict(columns.state_dict())
    x = features(2, 8, 6, 4)
    with torch.no_grad():
        torch.testing.assert_close(rows(x), columns(x.mT).mT)


def test_positions_are_stretched_to_another_size_and_the_middle_stays_the_middle():
    layer = AxialAttention(4, 1, 2, norm_layer("batch", 2), 3)
    with torch.no_grad():
        layer.positions.copy_(torch.tensor([-2.0, -1, 0, 1, 2]).expand(8, -1))
    places = layer._positions(5)[0]
    assert places.shape == (5, 5)
    torch.testing.assert_close(places.diagonal(), torch.zeros(5))
    torch.testing.assert_close(places[0], torch.tensor([0.0, 0.5, 1, 1.5, 2]))


def test_the_local_branch_has_no_positions_and_every_size_is_its_own():
    branch = Branch(1, 8, (16, 16, 16), None, norm_layer("batch", 2), turn=True).eval()
    assert not [name for name, _ in branch.named_parameters() if "positions" in name]
    with torch.no_grad():
        for size in (16, 32):
            assert branch(torch.rand(1, 1, size, size)).shape == (1, 16, size, size)


def test_each_place_takes_from_its_own_line_with_sigmoid_weights():
    torch.manual_seed(0)
    layers = Layers(2, norm_layer("batch", 2))
    x = features(1, 8, 4, 3)
    for axis, h, w in ((2, 4, 3), (3, 4, 3)):
        layer = LineAttention(layers, 8, axis)
        torch.nn.init.ones_(layer.share)
        with torch.no_grad():
            q, k, v = layer.query(x), layer.key(x), layer.value(x)
            expected = x.clone()
            for i in range(h):
                for j in range(w):
                    line = [(n, j) for n in range(h)] if axis == 2 else [(i, n) for n in range(w)]
                    for a, b in line:
                        weight = torch.sigmoid((q[0, :, i, j] * k[0, :, a, b]).sum())
                        expected[0, :, i, j] += weight * v[0, :, a, b] / len(line)
            torch.testing.assert_close(layer(x), expected)
