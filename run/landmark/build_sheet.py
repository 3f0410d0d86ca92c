"""Draws a sheet of pictures with their points and numbers, to look at before training."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mos.data.landmark_write import PreparedLandmarks
from mos.files import atomic_path

_HEIGHT, _COLUMNS, _LINE = 420, 4, 16
_SEEN, _MASKED = (255, 70, 70), (90, 150, 255)


def write_sheet(path: Path, prepared: PreparedLandmarks, rows: Sequence[int]) -> None:
    """Writes a PNG: each picture as stored, its points in red by number, masked ones in blue.

    Raises:
        BadInput: the file cannot be written.
    """
    from PIL import Image, ImageDraw

    h, w = prepared.images.shape[-2:]
    times = _HEIGHT / h
    width = round(w * times)
    columns = min(_COLUMNS, len(rows))
    names = [f"{number} {name}" for number, name in enumerate(prepared.names, 1)]
    legend = _wrapped(names, columns * width // 7)
    down = math.ceil(len(rows) / columns) * (_HEIGHT + _LINE)
    sheet = Image.new("RGB", (columns * width, down + _LINE * len(legend) + 8), "white")
    draw = ImageDraw.Draw(sheet)
    visible = prepared.visible()
    for place, row in enumerate(rows):
        left, top = place % columns * width, place // columns * (_HEIGHT + _LINE)
        planes = np.broadcast_to(prepared.images[row], (3, h, w)).transpose(1, 2, 0)
        tile = Image.fromarray(np.ascontiguousarray(planes)).resize((width, _HEIGHT))
        sheet.paste(tile, (left, top + _LINE))
        case = prepared.cases[row]
        draw.text((left + 3, top + 2), f"{case['id']}  {prepared.scale[row, 0]:.3g} mm", "black")
        for number, point in enumerate(prepared.points[row]):
            if np.isnan(point).any():
                continue
            # A point beyond the picture is shown at its edge.
            x = left + min(max((point[0] + 0.5) * times, 2), width - 3)
            y = top + _LINE + min(max((point[1] + 0.5) * times, 2), _HEIGHT - 3)
            colour = _SEEN if visible[row, number] else _MASKED
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), outline=colour)
            draw.text((x + 3, y - 5), str(number + 1), colour, font_size=9)
    for line, text in enumerate(legend):
        draw.text((3, down + 4 + line * _LINE), text, "black")
    with atomic_path(path) as temporary:
        sheet.save(temporary)


def _wrapped(words: Sequence[str], width: int) -> list[str]:
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += ("   " if lines[-1] else "") + word
    return lines
