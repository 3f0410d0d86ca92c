"""How a picture is laid into a grid of fixed size: zero padding cut off, aspect kept, the way back known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mos.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Where a picture lies in its stored grid.

    original_xy = (stored_xy + 0.5) * factor + offset - 0.5; pixel centres are whole numbers.
    """

    original: tuple[int, int]  # (h, w) of the picture as it was read
    cut: tuple[int, int, int, int]  # y0, x0, y1, x1: the half-open part that was kept
    size: tuple[int, int]  # (h, w) of the stored grid
    content: tuple[int, int]  # (h, w) of the part of it that is picture, from its first pixel

    @property
    def factor(self) -> tuple[float, float]:
        """Original pixels per stored pixel along x, y: equal but for rounding to whole pixels."""
        y0, x0, y1, x1 = self.cut
        return (x1 - x0) / self.content[1], (y1 - y0) / self.content[0]

    @property
    def offset(self) -> tuple[float, float]:
        """Original pixels that were cut off on the left and at the top."""
        return float(self.cut[1]), float(self.cut[0])

    def record(self) -> dict:
        """The keys of a dataset file's case record."""
        return {
            "original": list(self.original),
            "cut": list(self.cut),
            "content": list(self.content),
            "to_original": {"factor": list(self.factor), "offset": list(self.offset)},
        }


@dataclass(frozen=True, kw_only=True)
class PicturePreparation:
    """Everything needed to prepare a new picture as those of a dataset file were."""

    size: tuple[int, int]  # (h, w) of the stored grid
    cut_padding: bool  # cut rows and columns of zeros off the edges
    colour: bool = False  # three channels; else one of grey
    percentiles: tuple[float, float] = (0.5, 99.5)  # become 0 and 255, but for 8-bit pictures

    def to_json(self) -> dict[str, Any]:
        return {
            "size": list(self.size),
            "cut_padding": self.cut_padding,
            "colour": self.colour,
            "percentiles": list(self.percentiles),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "PicturePreparation":
        """Reads a dataset file's `preparation`.

        Raises:
            BadInput: it lacks something.
        """
        try:
            return cls(
                size=tuple(map(int, said["size"])),
                cut_padding=bool(said["cut_padding"]),
                colour=bool(said["colour"]),
                percentiles=tuple(map(float, said["percentiles"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"the manifest's 'preparation' lacks or garbles {error}; build the file again"
            ) from error


@dataclass(frozen=True)
class FittedPicture:
    """A prepared picture and how it was made."""

    image: np.ndarray  # (ch, h, w) uint8
    fit: Fit
    intensity: tuple[float, float]  # the values that became 0 and 255


def prepare_picture(
    pixels: np.ndarray, preparation: PicturePreparation, name: str
) -> FittedPicture:
    """Prepares one picture.

    Args:
        pixels: (ch, h, w), 1 channel or 3, of any number type.
        name: of the picture, for messages.

    Raises:
        BadInput: every pixel is 0.
    """
    bare = without_padding(
        pixels, name
    )  # an all-black picture is refused also where nothing is cut
    cut = bare if preparation.cut_padding else whole(pixels)
    pixels = as_channels(pixels, preparation.colour)
    fit = plan_fit(pixels.shape[1:], cut, preparation.size)
    intensity = intensity_range(pixels, bare, preparation.percentiles)
    return FittedPicture(fit_picture(pixels, fit, intensity), fit, intensity)


def as_channels(pixels: np.ndarray, colour: bool) -> np.ndarray:
    """A picture (1 or 3, h, w) as grey (1, h, w) by ITU-R BT.601, or as colour (3, h, w)."""
    if colour:
        return np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels
    if len(pixels) == 1:
        return pixels
    red, green, blue = pixels
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return pixels[:1]
    grey = red * np.float32(0.299) + green * np.float32(0.587) + blue * np.float32(0.114)
    return (np.rint(grey).astype(np.uint8) if pixels.dtype == np.uint8 else grey)[None]


def plan_fit(
    original: Sequence[int], cut: Sequence[int], size: Sequence[int], *, enlarge: bool = True
) -> Fit:
    """Lays the cut part into the grid: as large as it fits, rest empty at the right or at the bottom.

    Args:
        original: (h, w) of the picture.
        cut: y0, x0, y1, x1 of the part to keep.
        size: (h, w) of the stored grid.
        enlarge: a part smaller than the grid grows; else it keeps its pixels.
    """
    y0, x0, y1, x1 = cut
    times = max((y1 - y0) / size[0], (x1 - x0) / size[1])
    if not enlarge:
        times = max(times, 1.0)
    content = tuple(
        min(limit, max(1, round(side / times))) for side, limit in zip((y1 - y0, x1 - x0), size)
    )
    return Fit(original=tuple(original), cut=tuple(cut), size=tuple(size), content=content)


def whole(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """The cut (y0, x0, y1, x1) that keeps all of a picture (ch, h, w)."""
    return 0, 0, pixels.shape[1], pixels.shape[2]


def without_padding(pixels: np.ndarray, name: str) -> tuple[int, int, int, int]:
    """The cut (y0, x0, y1, x1) without rows and columns at the edges that are 0 in every channel.

    Args:
        pixels: (ch, h, w).
        name: of the picture, for the message.

    Raises:
        BadInput: all of it is 0.
    """
    seen = pixels.any(axis=0)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        raise BadInput(
            f"{name}: every pixel is 0, an all-black image; export it again or take it out of the list"
        )
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def intensity_range(
    pixels: np.ndarray, cut: Sequence[int], percentiles: tuple[float, float]
) -> tuple[float, float]:
    """The values that become 0 and 255: those of 8-bit pictures stay, others by percentile.

    Args:
        pixels: (ch, h, w).
        cut: y0, x0, y1, x1 of the part that counts.
    """
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    y0, x0, y1, x1 = cut
    low, high = np.percentile(pixels[:, y0:y1, x0:x1], percentiles)
    return float(low), float(high) if high > low else float(low) + 1.0


def fit_picture(pixels: np.ndarray, fit: Fit, intensity: tuple[float, float]) -> np.ndarray:
    """The stored image, (ch, *fit.size) uint8; averaged over pixels where it gets smaller.

    Args:
        pixels: (ch, h, w) of any number type.
        intensity: the values that become 0 and 255.
    """
    from PIL import Image

    y0, x0, y1, x1 = fit.cut
    low, high = intensity
    stored = np.zeros((len(pixels), *fit.size), np.uint8)
    h, w = fit.content
    for channel, plane in enumerate(pixels[:, y0:y1, x0:x1]):
        if plane.dtype != np.uint8:
            plane = (plane.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
        # Pillow's bilinear widens with the factor, so nothing is skipped when a picture shrinks.
        small = Image.fromarray(np.ascontiguousarray(plane)).resize(
            (w, h), Image.Resampling.BILINEAR
        )
        stored[channel, :h, :w] = np.clip(np.rint(np.asarray(small)), 0, 255)
    return stored
