"""What a network is built from: the data's channels, labels, size and spacing, and the user's wishes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mos.errors import BadInput

Norm = Literal["batch", "instance", "group", "layer"]  # layer: of a network that has no other


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


def parse_channels(text: str) -> tuple[int, ...]:
    """Reads `32,64,128` as features per level of a network, finest first.

    Raises:
        BadInput: fewer than three, or something that is no positive number.
    """
    try:
        channels = tuple(int(part) for part in text.split(","))
    except ValueError:
        channels = ()
    if len(channels) < 3 or min(channels) < 1:
        raise BadInput(
            f"channels {text!r}: needs three or more positive numbers such as 32,64,128,256"
        )
    return channels
