"""Which slices a figure shows, where they lie, and the part of them that is shown."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mos.errors import BadInput
from mos.report.case_images import CaseImages

SLICE_RULES = ("largest", "middle", "error", "disagreement", "spread:N")


def target(images: CaseImages, *, prediction: bool = True) -> np.ndarray:
    """(d, h, w) bool: where the reference, or the prediction too, holds a scored label."""
    scored = [label for label in images.scored if label]
    found = np.isin(images.reference, scored)
    return found | np.isin(images.prediction, scored) if prediction else found


def spread_slices(images: CaseImages, count: int) -> list[int]:
    """`count` slices evenly over those with a scored label, both ends included; 0: all slices there are.

    Where no slice has a label they are spread over the whole volume.
    """
    if not count:
        return list(range(len(images.positions)))
    first, last = _ends(target(images))
    # Of an odd number the middle one is shown; one slice alone is the middle.
    places = np.linspace(first, last, count) if count > 1 else [(first + last) / 2]
    return sorted({int(place + 0.5) for place in places})


def _ends(seen: np.ndarray) -> tuple[int, int]:
    """First and last slice of a mask (d, h, w), or of the volume where the mask is empty."""
    inside = np.flatnonzero(seen.any(axis=(1, 2)))
    return (int(inside[0]), int(inside[-1])) if len(inside) else (0, len(seen) - 1)


def parse_rule(rule: str) -> tuple[str, int]:
    """(`largest`, 1), (`spread`, 3) or, for a number, (`at`, 12).

    Raises:
        BadInput: no such rule.
    """
    name, _, count = rule.partition(":")
    if rule.isdecimal() and int(rule) > 0:
        return "at", int(rule)
    if name == "spread" and count.isdecimal() and int(count) > 0:
        return "spread", int(count)
    if rule in SLICE_RULES[:4]:
        return rule, 1
    raise BadInput(
        f"--slice {rule}: needs largest, middle, error, disagreement, spread:3 (any number), or the number "
        "of a slice such as 7"
    )


def choose_slices(runs: Sequence[CaseImages], rule: str) -> list[int]:
    """The slices of one case that a rule picks, the same for all runs.

    Args:
        runs: the case as each run segmented it, at least one.
        rule: `largest`: where the reference has most scored voxels; `middle` of the slices with a
            reference; `error`: most wrong voxels over all runs; `disagreement`: most voxels that not
            all runs label alike; `spread:3`: the middles of as many equal parts of the reference; a number:
            that slice.
            Ties go to the slice next to the middle of the volume.

    Raises:
        BadInput: no such rule, or the case has not so many slices.
    """
    name, number = parse_rule(rule)
    first = runs[0]
    depth = len(first.positions)
    if name == "at":
        if number > depth:
            raise BadInput(f"--slice {rule}: {first.case} has slices 1 to {depth}")
        return [number - 1]
    if name == "spread":
        top, bottom = _ends(target(first, prediction=False))
        places = top + (np.arange(number) + 0.5) / number * (bottom - top + 1)
        return sorted({int(place) for place in places})
    area = target(first, prediction=False).sum(axis=(1, 2))
    if name == "middle" and area.any():
        inside = np.flatnonzero(area)
        return [int(inside[0] + inside[-1] + 1) // 2]
    if name == "error":
        area = sum((images.errors() > 1).sum(axis=(1, 2)) for images in runs)
    elif name == "disagreement":
        differs = [images.prediction != first.prediction for images in runs]
        area = np.logical_or.reduce(differs).sum(axis=(1, 2))
    centre = -np.abs(np.arange(depth) - (depth - 1) / 2)
    return [int(np.lexsort((centre, area))[-1])]


def frame(images: Sequence[CaseImages], margin: float) -> tuple[slice, slice]:
    """The part (h, w) of every slice around the reference: square in mm where the image is large enough.

    It holds the reference of all slices, so that slices of a case are shown alike and a slice with next
    to no reference is not blown up.

    Args:
        images: the case as each run segmented it; of a case without a reference their predictions
            count, and without any the whole slice is shown.
        margin: of the target's longer side, added on every side.
    """
    first = images[0]
    seen = target(first, prediction=False).any(axis=0)
    if not seen.any():
        seen = np.logical_or.reduce([target(one).any(axis=0) for one in images])
    if not seen.any():
        return slice(None), slice(None)
    extent = [np.flatnonzero(seen.any(axis=1 - axis)) for axis in (0, 1)]
    spacing = first.spacing[1:]
    longest = max((e[-1] + 1 - e[0]) * mm for e, mm in zip(extent, spacing, strict=True))
    side = longest * (1 + 2 * margin)
    parts = []
    for found, mm, size in zip(extent, spacing, seen.shape, strict=True):
        wanted = min(size, round(side / mm))
        start = round((found[0] + found[-1] + 1 - wanted) / 2)
        start = min(max(start, 0), size - wanted)
        parts.append(slice(start, start + wanted))
    return parts[0], parts[1]


def crop(images: CaseImages, part: tuple[slice, slice]) -> CaseImages:
    """The images of a part (h, w) of every slice."""
    return dataclasses.replace(
        images,
        image=images.image[:, :, *part],
        reference=images.reference[:, *part],
        prediction=images.prediction[:, *part],
    )


def slice_text(images: CaseImages, index: int) -> str:
    """`7/40 · 35.0 mm`: which of the real slices, and where along the slice normal."""
    return f"{index + 1}/{len(images.positions)} · {images.positions[index]:.1f} mm"
