"""The mean of the heatmaps of several networks, whose grids may differ."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Grid(NamedTuple):
    """Heatmaps, and how large their pixels are; all grids begin at the same corner of the picture."""

    heat: Tensor  # (bs, point_count, h, w)
    step: tuple[float, float]  # stored pixels per heatmap pixel along x, y


def mean_heat(grids: Sequence[Grid], *, chances: bool) -> tuple[Tensor, int]:
    """The mean on the finest of the grids.

    Args:
        chances: each map adds up to 1, and does so again after it was brought to another grid; else its
            values are heights, which stay.

    Returns:
        (bs, point_count, h, w) and the index of the grid it is on.
    """
    finest = min(range(len(grids)), key=lambda index: grids[index].step[0] * grids[index].step[1])
    total = torch.zeros_like(grids[finest].heat)
    for grid in grids:
        total += _on_grid(grid, grids[finest], chances) / len(grids)
    return total, finest


def _on_grid(grid: Grid, other: Grid, chances: bool) -> Tensor:
    """Heatmaps read at the pixel centres of another grid, bilinear; the border value beyond their end."""
    size, wanted = grid.heat.shape[2:], other.heat.shape[2:]
    if size == wanted and grid.step == other.step:
        return grid.heat
    heat = grid.heat
    places = []  # along x, y; -1 and 1 are the outer edges of the first and the last pixel
    for axis, (fine, coarse) in enumerate(zip(other.step, grid.step)):
        centres = torch.arange(wanted[1 - axis], dtype=torch.float64) + 0.5
        places.append((2 * centres * fine / (coarse * size[1 - axis]) - 1).to(heat))
    y, x = torch.meshgrid(places[1], places[0], indexing="ij")
    where = torch.stack([x, y], -1).expand(len(heat), -1, -1, -1)
    read = F.grid_sample(heat, where, padding_mode="border", align_corners=False)
    return read / read.sum((2, 3), keepdim=True).clamp_min(1e-12) if chances else read
