"""An image with its points, for TensorBoard: reference red, prediction green, a yellow link between them."""

import torch
from torch import Tensor

from mos.engine.task import Batch
from run.landmark.predict_points import Prediction

RED, GREEN, YELLOW = (255, 60, 60), (60, 255, 60), (255, 230, 0)


def picture(prediction: Prediction, batch: Batch) -> Tensor:
    """(3, h, w) uint8 of the first case; masked points show their prediction alone."""
    grey = (batch["image"][0].float().mean(0).clamp(0, 1) * 255).to(torch.uint8).cpu()
    canvas = grey.expand(3, -1, -1).clone()
    arm = max(1, round(max(grey.shape) / 170))
    visible = batch["visible"][0].cpu().tolist()
    pairs = zip(batch["points"][0].cpu(), prediction.points[0].cpu(), visible, strict=True)
    for reference, found, known in list(pairs):
        if known:
            steps = torch.linspace(0, 1, 2 + int((found - reference).norm()))[:, None]
            _dots(canvas, reference + steps * (found - reference), YELLOW)
            _cross(canvas, reference, arm, RED)
        _cross(canvas, found, arm, GREEN)
    return canvas


def _cross(canvas: Tensor, point: Tensor, arm: int, colour: tuple[int, int, int]) -> None:
    reach = torch.arange(-arm, arm + 1, dtype=torch.float32)
    still = torch.zeros_like(reach)
    _dots(canvas, point + torch.stack([reach, still], 1), colour)
    _dots(canvas, point + torch.stack([still, reach], 1), colour)


def _dots(canvas: Tensor, points: Tensor, colour: tuple[int, int, int]) -> None:
    """Colours the pixels nearest to (n, [xy]) points, as far as they are on the canvas."""
    x, y = points.round().long().unbind(1)
    on = (x >= 0) & (x < canvas.shape[2]) & (y >= 0) & (y < canvas.shape[1])
    canvas[:, y[on], x[on]] = torch.tensor(colour, dtype=torch.uint8)[:, None]
