"""Draws a picture sheet: a row of slices per case with label outlines, in true proportions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mos.files import atomic_path

_COLOURS = ("#ff4040", "#40d060", "#4090ff", "#ffd020", "#ff60ff", "#30e0e0", "#ff9030", "#b090ff")


def write_sheet(
    path: Path,
    volumes: Sequence[np.ndarray],
    titles: Sequence[str],
    spacings: Sequence[tuple[float, float, float]],
    boxes: Sequence[Sequence[Sequence[int]]],
    labels: Mapping[int, str],
    *,
    columns: int = 7,
) -> None:
    """Writes a PNG: `columns` axial slices (d) of each case and one coronal cut (h) behind them.

    Args:
        path: the PNG file.
        volumes: (ch + 1, d, h, w) uint8 each, segmentation last; the first channel is shown.
        titles: one for each volume.
        spacings: mm along (d, h, w), for the proportions.
        boxes: half-open part of each volume that is image; slices are taken from it.
        labels: id -> name, background included.

    Raises:
        BadInput: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = len(volumes)
    figure = Figure(figsize=(1.7 * (columns + 1), 1.95 * rows + 0.5), facecolor="white")
    axes = figure.subplots(rows, columns + 1, squeeze=False)
    for row, (volume, spacing, box) in enumerate(zip(volumes, spacings, boxes)):
        image, segment = volume[0], volume[-1]
        for column, index in enumerate(_slices(segment, box[0], columns)):
            axis = axes[row, column]
            _draw(axis, image[index], segment[index], spacing[1] / spacing[2], labels)
            axis.set_title(f"d {index}", fontsize=7, pad=2)
        middle = int(np.median(np.nonzero(segment)[1])) if segment.any() else image.shape[1] // 2
        # Head up: d grows to the head.
        cut, outline = image[::-1, middle], segment[::-1, middle]
        _draw(axes[row, -1], cut, outline, spacing[0] / spacing[2], labels)
        axes[row, -1].set_title(f"h {middle}", fontsize=7, pad=2)
        axes[row, 0].set_ylabel(titles[row], fontsize=7)
        for axis in axes[row]:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_frame_on(axis.has_data())
    names = [(i, name) for i, name in labels.items() if i]
    handles = [Line2D([], [], color=_colour(i), label=f"{i} {name}") for i, name in names[:6]]
    if len(names) > 6:
        handles.append(Line2D([], [], alpha=0, label=f"and {len(names) - 6} more"))
    if handles:
        figure.legend(handles=handles, loc="lower center", ncol=7, fontsize=8, frameon=False)
    figure.subplots_adjust(0.03, 0.5 / (1.95 * rows + 0.5), 0.995, 0.97, 0.04, 0.12)
    with atomic_path(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=100)


def _colour(label: int) -> str:
    return _COLOURS[(label - 1) % len(_COLOURS)]


def _slices(segment: np.ndarray, span: Sequence[int], count: int) -> list[int]:
    """Slice numbers spread over the labelled slices, one beyond each end; else over the box."""
    labelled = np.flatnonzero(segment.any(axis=(1, 2)))
    first, last = span[0], span[1] - 1
    if len(labelled):
        first, last = max(first, labelled[0] - 1), min(last, labelled[-1] + 1)
    return sorted(set(np.linspace(first, last, count).round().astype(int).tolist()))


def _draw(axis, image: np.ndarray, segment: np.ndarray, aspect: float, labels) -> None:
    axis.imshow(image, cmap="gray", vmin=0, vmax=255, aspect=aspect, interpolation="nearest")
    for label in np.unique(segment):
        if label and min(segment.shape) > 1:
            colours = [_colour(int(label))]
            axis.contour(segment == label, levels=[0.5], colors=colours, linewidths=0.8)
