"""Edges of drawn masks, and their loss where some labels are not annotated."""

import math

import pytest
import torch

from mos.losses.edge import edge_samples, edges

# Two structures that touch, and background; 0 is background.
DRAWN = torch.tensor(
    [
        [
            [0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0],
            [1, 1, 1, 1, 2, 2, 2],
            [1, 1, 1, 1, 2, 2, 2],
            [1, 1, 1, 1, 2, 2, 2],
        ]
    ],
    dtype=torch.uint8,
)


def picture(mask):
    return ["".join(".#"[int(one)] for one in row) for row in mask[0]]


def test_an_edge_runs_on_both_sides_of_where_the_label_changes_and_not_along_the_image():
    edge, known = edges(DRAWN, (1, 2))
    assert picture(edge) == [".......", "#######", "#######", "...##..", "...##.."]
    assert picture(known) == [".......", "#######", "#######", "#######", "#######"]


def test_a_label_that_is_not_annotated_is_background_and_unknown_away_from_the_others():
    edge, known = edges(DRAWN, (1,))
    assert picture(edge) == [".......", "#####..", "#####..", "...##..", "...##.."]
    assert picture(known) == [".......", "#####..", "#####..", "#####..", "#####.."]


def test_a_volume_has_edges_across_slices():
    segment = torch.zeros(1, 5, 3, 3, dtype=torch.uint8)
    segment[:, 3:] = 1
    edge, _ = edges(segment, (1,))
    assert edge[0, :, 1, 1].tolist() == [False, False, True, True, False]


def test_the_loss_is_the_mean_over_known_voxels_of_each_sample():
    logits = torch.zeros(3, 1, 5, 7)
    logits[:, 0, 0] = 3  # sure of an edge where there is none, and nothing annotated is near
    segment = DRAWN.expand(3, -1, -1)
    loss = edge_samples(logits, segment, [(1, 2), (1,), ()], (1, 2))
    wrong = math.log1p(math.exp(3))
    assert loss[0] == pytest.approx((28 * math.log(2) + 7 * wrong) / 35)
    assert loss[1] == pytest.approx(math.log(2))
    assert loss[2] == 0


def test_a_right_edge_costs_nothing_and_half_precision_is_no_less_exact():
    edge, _ = edges(DRAWN, (1, 2))
    logits = torch.where(edge, 20.0, -20.0)[:, None]
    assert edge_samples(logits, DRAWN, (1, 2), (1, 2)) < 1e-6
    half = edge_samples(logits.bfloat16(), DRAWN, (1, 2), (1, 2))
    assert half.dtype == torch.float32 and half < 1e-6


def test_logits_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 2, 5, 7\): needed \(1, 1, 5, 7\)"):
        edge_samples(torch.zeros(1, 2, 5, 7), DRAWN, (1, 2), (1, 2))
