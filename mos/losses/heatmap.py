"""What a network learns heatmaps by: cross-entropy over pixels, squared error, focal, adaptive wing.

Each loss has its own reading of the network's output, which it shares with prediction: `heat`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Focal: a fresh network gives each pixel a chance of about 1 %, so that the many pixels without a point
# do not drown the one that has it (Lin et al. 2017).
PRIOR_LOGIT = 4.6
FOCAL_POWER = 2
# Adaptive wing, as its authors set it.
ALPHA, OMEGA, EPSILON, THETA, NEAR_WEIGHT, NEAR = 2.1, 14.0, 1.0, 0.5, 10.0, 0.2


def cross_entropy(logits: Tensor, along_y: Tensor, along_x: Tensor) -> Tensor:
    """-sum t log softmax(logits) over the pixels of each map; t is the Gaussian, divided by its sum.

    A map is a distribution over places, so pixels compete and the loss sees where the peak is, not how
    high. Its smallest value is the entropy of t, log(2 pi e sigma^2) far from the border.
    """
    share_y = along_y / along_y.sum(2, keepdim=True).clamp_min(1e-12)
    share_x = along_x / along_x.sum(2, keepdim=True).clamp_min(1e-12)
    rows = (logits @ share_x[..., None])[
        ..., 0
    ]  # the Gaussian is a product: no map of it is needed
    return logits.flatten(2).logsumexp(2) - (rows * share_y).sum(2)


def squared_error(logits: Tensor, along_y: Tensor, along_x: Tensor) -> Tensor:
    """Half the mean squared error over all pixels, half that over the Gaussian, weighted by it.

    Unweighted, a map of zeros is nearly right, because hardly a pixel is not zero.
    """
    target = _maps(along_y, along_x)
    error = (logits - target) ** 2
    near = (error * target).sum((2, 3)) / target.sum((2, 3)).clamp_min(1e-12)
    return (error.mean((2, 3)) + near) / 2


def focal(logits: Tensor, along_y: Tensor, along_x: Tensor) -> Tensor:
    """Focal loss on the chance of each pixel, in its form for soft targets (Li et al. 2020).

    p = sigmoid(logit - 4.6); |t - p|^2 times the binary cross-entropy of p and t, summed over the pixels. It is
    least where p is the Gaussian. CornerNet's form (Law & Deng 2018) rewards the pixel nearest to the
    point alone, so its peaks say nothing finer than that pixel.
    """
    target = _maps(along_y, along_x)
    z = logits - PRIOR_LOGIT
    bce = F.binary_cross_entropy_with_logits(z, target, reduction="none")
    return ((target - z.sigmoid()).abs() ** FOCAL_POWER * bce).sum((2, 3))


def adaptive_wing(logits: Tensor, along_y: Tensor, along_x: Tensor) -> Tensor:
    """Adaptive wing loss with its weights (Wang et al. 2019), mean over the pixels of each map.

    omega log(1 + |d / epsilon|^(alpha - t)) up to |d| = theta, beyond it a straight line; eleven-fold
    where the target, widened by a pixel, is 0.2 or more.
    """
    target = _maps(along_y, along_x)
    away = (logits - target).abs()
    power = ALPHA - target
    bent = OMEGA * torch.log1p((away / EPSILON) ** power)
    ratio = THETA / EPSILON
    slope = OMEGA * power * ratio ** (power - 1) / (1 + ratio**power) / EPSILON
    line = slope * away - (THETA * slope - OMEGA * torch.log1p(ratio**power))
    near = F.max_pool2d(target, 3, stride=1, padding=1) >= NEAR
    return (torch.where(away < THETA, bent, line) * (1 + NEAR_WEIGHT * near)).mean((2, 3))


def _maps(along_y: Tensor, along_x: Tensor) -> Tensor:
    return along_y[..., :, None] * along_x[..., None, :]


def _softmax(logits: Tensor) -> Tensor:
    return logits.flatten(2).softmax(2).reshape(logits.shape)


def _logarithm(heat: Tensor) -> Tensor:
    return heat.clamp_min(1e-30).log()


def _focal_logits(heat: Tensor) -> Tensor:
    return heat.logit(1e-7) + PRIOR_LOGIT


@dataclass(frozen=True, kw_only=True)
class HeatmapLoss:
    """A loss, and how to read the output of a network that was trained by it."""

    title: str
    # Logits (bs, point_count, h, w) and the Gaussian's factors, see `mos.data.heatmap.profiles`;
    # gives (bs, point_count).
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    heat: Callable[[Tensor], Tensor]  # logits -> what maps of several passes are averaged as
    logits: Callable[[Tensor], Tensor]  # back again, as far as the loss can tell


HEATMAP_LOSSES: dict[str, HeatmapLoss] = {
    "cross_entropy": HeatmapLoss(
        title="softmax over all pixels against the Gaussian",
        loss=cross_entropy,
        heat=_softmax,
        logits=_logarithm,
    ),
    "squared_error": HeatmapLoss(
        title="squared error, half of it weighted by the Gaussian",
        loss=squared_error,
        heat=torch.clone,
        logits=torch.clone,
    ),
    "focal": HeatmapLoss(
        title="focal loss on the chance of each pixel",
        loss=focal,
        heat=lambda logits: (logits - PRIOR_LOGIT).sigmoid(),
        logits=_focal_logits,
    ),
    "adaptive_wing": HeatmapLoss(
        title="adaptive wing loss", loss=adaptive_wing, heat=torch.clone, logits=torch.clone
    ),
}


def heatmap_loss(
    kind: str, logits: Tensor, along_y: Tensor, along_x: Tensor, visible: Tensor
) -> Tensor:
    """The loss of each sample: the mean over its visible points.

    Args:
        kind: a key of HEATMAP_LOSSES.
        logits: (bs, point_count, h, w) any float type; computed in float32, under autocast too.
        along_y, along_x: (bs, point_count, h) and (bs, point_count, w), the factors of the Gaussians.
        visible: (bs, point_count) bool; what is masked teaches nothing, whatever it holds.

    Returns:
        (bs,) float32; 0, with gradient 0, for a sample without a visible point.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    bs, count, h, w = logits.shape
    shapes = {
        "along_y": (along_y, (bs, count, h)),
        "along_x": (along_x, (bs, count, w)),
        "visible": (visible, (bs, count)),
    }
    for name, (tensor, needed) in shapes.items():
        if tuple(tensor.shape) != needed:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, needs {needed}")
    with torch.autocast(logits.device.type, enabled=False):
        each = HEATMAP_LOSSES[kind].loss(logits.float(), along_y, along_x)
        # Not a product: nothing that a masked point holds may reach the sum.
        seen = torch.where(visible.bool(), each, 0.0)
        return seen.sum(1) / visible.sum(1).clamp_min(1)
