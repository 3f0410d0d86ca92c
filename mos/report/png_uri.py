"""Pictures inside the page, and what holds those of a case."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mos.report.run_record import Run

Version = dict[
    str, Any
]  # a case's image with the predictions of the runs that have this very image
# Puts what a file holds of a run among the versions of its case; raises BadInput if it does not belong.
Add = Callable[[list[Version], Run, Path], None]


def png_uri(volume: np.ndarray, across: int) -> str:
    """The slices of `volume` (d, h, w) uint8, `across` in a row, as a data URI of a grey PNG."""
    from PIL import Image

    d, h, w = volume.shape
    down = -(-d // across)
    padded = np.zeros((down * across, h, w), np.uint8)
    padded[:d] = volume
    sheet = padded.reshape(down, across, h, w).swapaxes(1, 2).reshape(down * h, across * w)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
