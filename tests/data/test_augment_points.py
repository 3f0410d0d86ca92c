"""Points move with their image: a drawn dot is always found where its point says."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mos.data.augment_points import Motion, draw_motion, move_batch
from mos.data.draw import Draw
from mos.data.points import swap_order

H, W = 96, 80
STILL = Motion(level=0)


def dots(points, size=(H, W), spread=2.5):
    """(n, 1, h, w) uint8: one soft dot on each image."""
    y, x = np.mgrid[: size[0], : size[1]]
    far = [(x - px) ** 2 + (y - py) ** 2 for px, py in points]
    return torch.from_numpy(np.rint(240 * np.exp(-np.stack(far) / (2 * spread**2))).astype("u1"))[
        :, None
    ]


def centroids(image):
    """(n, [xy]) of images (n, 1, h, w)."""
    weight = image[:, 0].double()
    total = weight.sum(dim=(1, 2))
    y, x = (torch.arange(n, dtype=torch.float64) for n in weight.shape[1:])
    return torch.stack(
        [(weight.sum(1) * x).sum(1) / total, (weight.sum(2) * y).sum(1) / total], dim=1
    )


def moved(points, draws, scale=(1.0, 1.0), order=None, visible=None):
    """Moves an image with a dot on point 0 of each row of points (n, point_count, 2)."""
    points = torch.tensor(points, dtype=torch.float32).reshape(len(draws), -1, 2)
    visible = torch.ones(points.shape[:2], dtype=torch.bool) if visible is None else visible
    return move_batch(
        dots(points[:, 0].tolist()),
        points,
        visible,
        torch.tensor([scale] * len(draws)),
        draws,
        list(range(len(draws))),
        order or range(points.shape[1]),
    )


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.5, 0.8)], ids=["square", "oblong pixels"])
@pytest.mark.parametrize("flip", [False, True])
def test_a_dot_stays_on_its_point_through_rotation_scale_shift_and_flip(flip, scale):
    motion = Motion(level=2, rotation=30, scale=(0.7, 1.4), shift=0.08, flip=flip)
    draws = [draw_motion(seed, motion, (H, W), scale) for seed in range(40)]
    random = np.random.default_rng(0)
    points = np.array([W / 2, H / 2]) + random.uniform(-14, 14, (40, 2))
    batch = moved(points, draws, scale)
    off = (centroids(batch.image) - batch.points[:, 0]).abs().max()
    assert off < 0.05
    assert batch.visible.all()
    # They did move, some were mirrored, and none when not asked to.
    assert (batch.points[:, 0] - torch.tensor(points)).abs().max() > 5
    mirrored = [np.linalg.det(draw.matrix) < 0 for draw in draws]
    assert any(mirrored) == flip and not all(mirrored)


def test_points_stay_where_they_are_in_an_image_that_is_bent():
    """Each pixel says where it was: twice its x in one channel, twice its y in the other."""
    motion = Motion(level=2, rotation=30, scale=(0.8, 1.25), turned_share=0.7)
    draws = [draw_motion(seed, motion, (H, W), (1, 1)) for seed in range(40)]
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    places = torch.stack([2 * x, 2 * y]).to(torch.uint8).expand(40, -1, -1, -1)
    random = torch.Generator().manual_seed(0)
    points = torch.tensor([W / 2, H / 2]) + 28 * (torch.rand(40, 3, 2, generator=random) - 0.5)
    given = places, points, torch.ones(40, 3, dtype=torch.bool), torch.ones(40, 2)

    def bent(bend, rows=slice(None)):
        some = [tensor[rows] for tensor in given]
        return move_batch(*some, draws[rows], range(40)[rows], [0, 1, 2], bend)

    batch, plain = bent(0.03), bent(0.0)
    at = batch.points / (torch.tensor([W, H]) - 1) * 2 - 1
    seen = F.grid_sample(batch.image, at[:, None], align_corners=True)[:, :, 0].mT * 255 / 2
    assert (seen - points).abs().max() < 0.05
    away = (batch.points - plain.points).norm(dim=2)
    still = torch.tensor([np.array_equal(draw.matrix, np.eye(2)) for draw in draws])
    assert still.any() and away[still].max() == 0 and away[~still].max() > 2
    assert torch.allclose(bent(0.03, slice(39, 40)).points, batch.points[-1:], atol=1e-4)


def test_in_a_mirror_left_becomes_right():
    """The dot marks the left eye. Mirrored, the point called left eye is the other one."""
    mirror = Draw((np.array([H, W]) - 1) / 2, np.diag([1.0, -1.0]))
    points = [[[20.0, 30.0], [50.0, 33.0], [40.0, 60.0]]] * 2  # left eye, right eye, nose
    still = draw_motion(0, STILL, (H, W), (1, 1))
    visible = torch.tensor([[True, False, True]] * 2)
    order = swap_order(3, [(0, 1)])
    batch = moved(points, [still, mirror], order=order, visible=visible)
    assert batch.points[0].tolist() == points[0]
    assert batch.points[1].tolist() == [[W - 1 - 50, 33], [W - 1 - 20, 30], [W - 1 - 40, 60]]
    assert batch.visible.tolist() == [[True, False, True], [False, True, True]]
    assert centroids(batch.image)[1].tolist() == pytest.approx([W - 1 - 20, 30], abs=0.02)


def test_millimetres_between_two_points_stay_what_they_are():
    scale = (0.5, 0.8)
    motion = Motion(level=2, rotation=40, scale=(0.6, 1.5), turned_share=1.0)
    draws = [draw_motion(seed, motion, (H, W), scale) for seed in range(20)]
    batch = moved([[[30.0, 40.0], [45.0, 60.0]]] * 20, draws, scale)
    between = (batch.points[:, 1] - batch.points[:, 0]) * batch.scale
    assert torch.allclose(between.norm(dim=1), torch.tensor([7.5, 16.0]).norm(), rtol=1e-4)
    assert batch.scale[:, 0].std() > 0.05


def test_a_point_that_leaves_the_image_is_not_visible_and_none_becomes_visible():
    right = Draw(np.array([(H - 1) / 2, (W - 1) / 2 + 10]), np.eye(2))  # all moves 10 to the left
    points = [[[12.0, 20.0], [9.4, 20.0], [9.6, 20.0], [85.0, 20.0], [np.nan, np.nan]]]
    visible = torch.tensor([[True, True, True, False, False]])
    batch = moved(points, [right], visible=visible)
    assert batch.visible.tolist() == [[True, False, True, False, False]]
    assert batch.points[0, :4, 0].tolist() == pytest.approx([2, -0.6, -0.4, 75], abs=1e-4)
    assert batch.points[0, 4].isnan().all()


def test_level_0_gives_the_image_as_it_is():
    draws = [draw_motion(seed, STILL, (H, W), (1, 1)) for seed in range(3)]
    points = [[10.0, 20.0], [30.5, 40.25], [60.0, 80.0]]
    batch = moved(points, draws)
    assert torch.equal(batch.image, dots(points).float() / 255)
    assert batch.points[:, 0].tolist() == points


def test_what_is_only_shifted_keeps_its_pixels():
    motion = Motion(level=1, shift=0.1)
    batch = moved([[40.0, 40.0]] * 5, [draw_motion(s, motion, (H, W), (1, 1)) for s in range(5)])
    values = set((batch.image * 255).round().unique().tolist())
    assert torch.allclose(batch.image * 255, (batch.image * 255).round(), atol=1e-2)
    assert values <= set(dots([[40.0, 40.0]]).unique().tolist())
    assert len({tuple(point) for point in batch.points[:, 0].tolist()}) > 1


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_sample_comes_from_its_seed_alone(level):
    motion, seeds = Motion(level=level, flip=True), list(range(6))
    points = torch.tensor([[[40.0, 40.0], [20.0, 60.0]]] * 6)
    given = dots([[40, 40]] * 6), points, torch.ones(6, 2, dtype=torch.bool), torch.ones(6, 2)
    draws = [draw_motion(seed, motion, (H, W), (1, 1)) for seed in seeds]
    whole = move_batch(*given, draws, seeds, [1, 0])
    for one in seeds:
        part = [tensor[one : one + 1] for tensor in given]
        alone = move_batch(*part, draws[one : one + 1], [one], [1, 0])
        assert torch.allclose(alone.image[0], whole.image[one], atol=1e-5)
        assert torch.allclose(alone.points[0], whole.points[one], atol=1e-5)


def test_only_level_3_changes_intensity():
    changed = [
        any(draw_motion(s, Motion(level=level), (H, W), (1, 1)).gamma != 1 for s in range(30))
        for level in (0, 1, 2, 3)
    ]
    assert changed == [False, False, False, True]
