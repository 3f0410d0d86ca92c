"""From an image to points: the one path that is scored and that `cmd/predict` takes.

No reference point enters here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mos.data.heatmap import decode
from mos.losses.heatmap import HEATMAP_LOSSES
from run.landmark.model_arguments import ModelArguments


class Prediction(NamedTuple):
    """The points of images, and the heatmaps they were read from."""

    points: Tensor  # (bs, point_count, [xy]) float32 in pixels of the image
    heat: Tensor  # (bs, point_count, h / stride, w / stride) float32, as the loss reads logits


def predict_points(
    network: nn.Module, image: Tensor, options: ModelArguments, order: Sequence[int]
) -> Prediction:
    """The points of images as they are used, (h, w) of `options.size_for`.

    Args:
        image: (bs, ch, h, w) float32, 0..1.
        order: of the points in a mirrored image, see `mos.data.points.swap_order`.
    """
    heat = predict_heat(network, image, options, order)
    return Prediction(points_of(heat, options), heat)


def points_of(heat: Tensor, options: ModelArguments) -> Tensor:
    """(bs, point_count, [xy]) in pixels of the image, from heatmaps of one network or the mean of several."""
    return decode(
        heat, stride=options.heatmap_stride, method=options.decoding, radius=options.radius
    )


def predict_heat(
    network: nn.Module, image: Tensor, options: ModelArguments, order: Sequence[int]
) -> Tensor:
    """Heatmaps, averaged over the sizes and the mirror image that the options ask for.

    Returns:
        (bs, point_count, ceil(h / stride), ceil(w / stride)) float32.
    """
    stride, way = options.heatmap_stride, HEATMAP_LOSSES[options.heatmap_loss]
    h, w = image.shape[2:]
    # On whole heatmap pixels, mirroring and resizing move the grid onto itself.
    image = F.pad(image, (0, -w % stride, 0, -h % stride), mode="replicate")
    own = tuple(side // stride for side in image.shape[2:])
    total, passes = None, 0
    for scale in options.valid_scales:
        size = tuple(max(1, round(side * scale)) * stride for side in own)
        resized = image
        if size != tuple(image.shape[2:]):
            resized = F.interpolate(image, size, mode="bilinear", antialias=True)
        for mirrored in (False, True) if options.valid_flips else (False,):
            logits = network(resized.flip(3) if mirrored else resized).float()
            logits = logits.flip(3)[:, list(order)] if mirrored else logits
            if tuple(logits.shape[2:]) != own:
                # Before they become chances, so that those add up to 1 on the grid they are averaged on.
                logits = F.interpolate(logits, own, mode="bilinear")
            heat = way.heat(logits)
            total = heat if total is None else total + heat
            passes += 1
    return total / passes
