"""What a network is built from: the data's channels, labels, size and spacing, and the user's wishes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Norm = Literal["batch", "instance", "group"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that `build` of a network knows. None: what the network's paper has."""

    in_channels: int
    label_count: int  # with background
    crop_size: tuple[int, ...]  # voxels of a training sample, (h, w) or (d, h, w)
    spacing: tuple[float, ...]  # mm along the same axes
    channels: tuple[int, ...] | None = None  # features per level, finest first
    norm: Norm = "batch"
    dropout: float = 0.0  # probability
    encoder: str | None = None  # a timm or smp name, such as resnet50
    # For the record: whoever trains loads the file into the network's `Encoder` after it is built.
    encoder_weights: Path | None = None

    @property
    def dims(self) -> int:
        """2 or 3."""
        return len(self.crop_size)
