"""Where words stand beside points so that they hide as little of one another as can be."""

from collections.abc import Sequence

import numpy as np

_WIDE, _HIGH = 0.6, 1.2  # of a letter, in its size
_TURNS = 12  # directions tried around a point
_OUTER = (1.0, 1.8)  # and distances, in that of the nearest


def place_words(
    texts: Sequence[str],
    points: np.ndarray,
    marks: np.ndarray,
    size: tuple[int, int],
    *,
    letter: float,
    gap: float,
) -> list[tuple[float, float]]:
    """The middle (x, y) of each word, in pixels of the picture.

    One word after the other takes, of places around its point, the one that overlaps least with marks,
    with words placed before and with what lies outside the picture; of equals the first, away from the
    middle of all points.

    Args:
        points: (n, [xy]) what each word belongs to.
        marks: (m, [xy]) what no word should hide.
        size: (h, w) of the picture.
        letter: size of the letters in pixels.
        gap: least distance of a word from its point, and half the side of a mark.
    """
    boxes = [np.concatenate([mark - gap, mark + gap]) for mark in marks]  # x0, y0, x1, y1
    found = []
    for text, point in zip(texts, points):
        half = np.array([_WIDE * letter * len(text), _HIGH * letter]) / 2
        away = np.arctan2(*(point - points.mean(axis=0))[::-1])
        best, least = point, np.inf
        for far in _OUTER:
            for step in sorted(range(_TURNS), key=lambda step: min(step, _TURNS - step)):
                angle = away + 2 * np.pi * step / _TURNS
                direction = np.array([np.cos(angle), np.sin(angle)])
                place = point + (far * gap + half @ np.abs(direction)) * direction
                box = np.concatenate([place - half, place + half])
                lost = _overlap(box, boxes) + _outside(box, size)
                if lost < least - 1e-9:
                    best, least = place, lost
        found.append((float(best[0]), float(best[1])))
        boxes.append(np.concatenate([best - half, best + half]))
    return found


def _overlap(box: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """The area that a box shares with others."""
    other = np.array(others).reshape(-1, 4)
    low, high = np.maximum(box[:2], other[:, :2]), np.minimum(box[2:], other[:, 2:])
    return float(np.prod(np.clip(high - low, 0, None), axis=1).sum())


def _outside(box: np.ndarray, size: tuple[int, int]) -> float:
    """Ten times the area of a box that is not on the picture."""
    inner = np.clip(box, 0, [size[1], size[0], size[1], size[0]])
    whole, shown = np.prod(box[2:] - box[:2]), np.prod(np.clip(inner[2:] - inner[:2], 0, None))
    return 10 * float(whole - shown)
