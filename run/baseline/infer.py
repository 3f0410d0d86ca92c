"""From an image to label probabilities: the one path that is scored and that `cmd/predict` takes.

No reference label enters here.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mos.losses.partial import PROBABILITIES

VOXELS_AT_ONCE = 1 << 18


def predict_probabilities(
    network: nn.Module,
    image: Tensor,
    *,
    dims: int,
    window: Sequence[int],
    overlap: float,
    labels: Sequence[int],
    flip_axes: str = "",
    partial_labels: str = "marginal",
) -> Tensor:
    """Label probabilities of whole volumes.

    Windows slide over every voxel (3-D) or over every slice (2-D) and are blended with a Gaussian.
    Where the window holds the whole volume it is one forward pass.

    Args:
        image: (bs, ch, d, h, w) float32, 0..1.
        dims: 2: slice by slice, re-assembled; 3: whole.
        window: (d, h, w) voxels of the window; 2-D uses its (h, w).
        overlap: share by which neighbouring windows overlap.
        labels: ids that count; the others' probabilities go to background.
        flip_axes: average over all flips of these axes, letters out of d, h, w.
        partial_labels: how the network was trained, a key of `mos.losses.partial.PROBABILITIES`.

    Returns:
        (bs, label_count, d, h, w) float32, sum 1 over labels.
    """
    forward = _flipped(network, dims, flip_axes) if flip_axes else network
    if dims == 3:
        return PROBABILITIES[partial_labels](_slide(forward, image, window, overlap), labels)
    bs, ch, d, h, w = image.shape
    slices = image.transpose(1, 2).reshape(bs * d, ch, h, w)
    logits = _slide(forward, slices, window[1:], overlap)
    logits = logits.reshape(bs, d, -1, h, w).transpose(1, 2)
    return PROBABILITIES[partial_labels](logits, labels)


def _slide(
    forward: Callable[[Tensor], Tensor], image: Tensor, window: Sequence[int], overlap: float
) -> Tensor:
    """Logits (bs, label_count, ...) of whole images from windows of at most the given size."""
    size = tuple(min(most, own) for most, own in zip(window, image.shape[2:], strict=True))
    # As many slices or volumes at once as keep the activations small.
    at_once = max(1, VOXELS_AT_ONCE // math.prod(size))
    if size == tuple(image.shape[2:]):
        return torch.cat([forward(part).float() for part in image.split(at_once)])
    from monai.inferers.utils import sliding_window_inference

    windows = 1 if image.device.type == "cpu" else 4
    return sliding_window_inference(
        image, size, windows, forward, overlap=overlap, mode="gaussian"
    ).float()


def _flipped(network: nn.Module, dims: int, flip_axes: str) -> Callable[[Tensor], Tensor]:
    """The network averaged over every combination of flips of its spatial axes."""
    axes = [2 + place for place, axis in enumerate("dhw"[-dims:]) if axis in flip_axes]
    flips = [list(c) for count in range(len(axes) + 1) for c in itertools.combinations(axes, count)]

    def forward(image: Tensor) -> Tensor:
        total = None
        for flip in flips:
            logits = network(image.flip(flip)).float().flip(flip)
            total = logits if total is None else total.add_(logits)
        return total.div_(len(flips))

    return forward


def labels_of(probabilities: Tensor) -> Tensor:
    """(bs, label_count, ...) probabilities -> (bs, ...) uint8 label ids."""
    return probabilities.argmax(1).to(torch.uint8)
