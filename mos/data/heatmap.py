"""Points as Gaussians on a grid, and back: the one place that says where a heatmap's pixels lie.

A heatmap of stride s has one pixel for s x s pixels of the image. Pixel centres are integers on both
sides, so image position x lies at (x + 0.5) / s - 0.5 on the grid; whoever forgets the halves is
(s - 1) / 2 pixels off.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Decoding = Literal["centroid", "taylor", "argmax"]
DECODINGS: tuple[Decoding, ...] = ("centroid", "taylor", "argmax")
# A peak that is no hill (flat, or a ridge) has no vertex to step to: then the largest pixel is the answer.
_LONGEST_STEP = 1.0


def to_grid(points: Tensor, stride: int) -> Tensor:
    """Image positions (..., [xy]) in pixels as positions on a heatmap of this stride."""
    return (points + 0.5) / stride - 0.5


def from_grid(points: Tensor, stride: int) -> Tensor:
    """The inverse of `to_grid`."""
    return (points + 0.5) * stride - 0.5


def profiles(points: Tensor, size: Sequence[int], sigma: float) -> tuple[Tensor, Tensor]:
    """One Gaussian a point, as its two factors: heat[y, x] = along_y[y] * along_x[x].

    The peak, 1, is where the point is and not at the nearest pixel, which would cost up to half a
    pixel (Zhang et al. 2020, DARK). A point that is nan gives zeros; mask it.

    Args:
        points: (bs, point_count, [xy]) on the grid, see `to_grid`.
        size: (h, w) of the grid.
        sigma: of the Gaussian, in grid pixels.

    Returns:
        along_y (bs, point_count, h) and along_x (bs, point_count, w), float32, 0..1.
    """

    def along(axis: int, count: int) -> Tensor:
        steps = torch.arange(count, dtype=torch.float32, device=points.device)
        heat = torch.exp(-0.5 * ((steps - points[..., axis, None].float()) / sigma) ** 2)
        return heat.nan_to_num(nan=0.0)

    return along(1, size[0]), along(0, size[1])


def heatmaps(along_y: Tensor, along_x: Tensor) -> Tensor:
    """(bs, point_count, h, w): the product of what `profiles` gives."""
    return along_y[..., :, None] * along_x[..., None, :]


def decode(heat: Tensor, *, stride: int, method: Decoding = "centroid", radius: int = 5) -> Tensor:
    """Where each heatmap has its peak, finer than its pixels.

    argmax: the largest pixel; wrong by up to half a grid pixel. centroid: the centre of mass of the
    window of `radius` around it; an axis along which the border would cut the window, and so pull the
    centre inwards, takes the Taylor step. taylor: one Newton step on the logarithm of the heat, which is
    exact for a Gaussian (Zhang et al. 2020, DARK), up to and over the border.

    Args:
        heat: (bs, point_count, h, w), 0 up. Negative values count as 0.
        stride: image pixels per heatmap pixel.
        radius: grid pixels; about three sigma of the Gaussians that were learnt.

    Returns:
        (bs, point_count, [xy]) float32 in pixels of the image.

    Raises:
        ValueError: an unknown method.
    """
    if method not in DECODINGS:
        raise ValueError(f"unknown decoding {method!r}")
    heat = heat.detach().float().clamp_min(0)
    h, w = heat.shape[2:]
    place = heat.flatten(2).argmax(2)
    peak = torch.stack([place % w, place // w], -1)  # (bs, point_count, [xy])
    found = peak.float()
    if method != "argmax" and min(h, w) >= 3:
        found = found + _taylor_step(heat, peak)
    if method == "centroid":
        size = torch.tensor([w, h], device=heat.device)
        whole = (peak >= radius) & (peak + radius < size)
        found = torch.where(whole, peak + _centre_of_mass(heat, peak, radius), found)
    return from_grid(found, stride)


def _window(heat: Tensor, centre: Tensor, radius: int) -> Tensor:
    """(bs, point_count, 2 radius + 1, 2 radius + 1) around the pixels `centre`; 0 beyond the border."""
    bs, count, h, w = heat.shape
    reach = torch.arange(-radius, radius + 1, device=heat.device)
    x, y = centre[..., 0, None] + reach, centre[..., 1, None] + reach
    inside = ((y >= 0) & (y < h))[..., :, None] & ((x >= 0) & (x < w))[..., None, :]
    index = y.clamp(0, h - 1)[..., :, None] * w + x.clamp(0, w - 1)[..., None, :]
    values = heat.flatten(2).gather(2, index.flatten(2)).reshape(index.shape)
    return torch.where(inside, values, 0.0)


def _centre_of_mass(heat: Tensor, peak: Tensor, radius: int) -> Tensor:
    """(bs, point_count, [xy]): how far the centre of mass of the window lies from its middle."""
    window = _window(heat, peak, radius)
    mass = window.sum((2, 3)).clamp_min(torch.finfo(torch.float32).tiny)
    reach = torch.arange(-radius, radius + 1, device=heat.device, dtype=torch.float32)
    along_x, along_y = window.sum(2) @ reach, window.sum(3) @ reach
    return torch.stack([along_x, along_y], -1) / mass[..., None]


def _taylor_step(heat: Tensor, peak: Tensor) -> Tensor:
    """(bs, point_count, [xy]): from the largest pixel to the vertex of a parabola through the log heat.

    At the border the parabola is laid through the three pixels that are there. 0 where there is no vertex.
    """
    h, w = heat.shape[2:]
    limits = torch.tensor([w - 2, h - 2], device=heat.device)
    middle = torch.minimum(peak.clamp_min(1), limits)
    # Far from the peak the heat may be nothing at all; its logarithm only has to be finite.
    z = _window(heat, middle, 1).clamp_min(1e-30).log()
    slope_x = (z[..., 1, 2] - z[..., 1, 0]) / 2
    slope_y = (z[..., 2, 1] - z[..., 0, 1]) / 2
    bend_x = z[..., 1, 2] - 2 * z[..., 1, 1] + z[..., 1, 0]
    bend_y = z[..., 2, 1] - 2 * z[..., 1, 1] + z[..., 0, 1]
    twist = (z[..., 2, 2] - z[..., 2, 0] - z[..., 0, 2] + z[..., 0, 0]) / 4
    determinant = bend_x * bend_y - twist**2
    is_hill = (bend_x < 0) & (bend_y < 0) & (determinant > 0)
    determinant = torch.where(is_hill, determinant, 1.0)
    step_x = (twist * slope_y - bend_y * slope_x) / determinant
    step_y = (twist * slope_x - bend_x * slope_y) / determinant
    step = torch.stack([step_x, step_y], -1) + middle - peak
    fits = is_hill & (step.abs() <= _LONGEST_STEP).all(-1)
    return torch.where(fits[..., None], step, 0.0)
