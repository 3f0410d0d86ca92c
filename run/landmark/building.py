"""Builds dataset files: reads the list, prepares each picture once, deals them into folds, writes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mos.data.digest import image_digest
from mos.data.landmark_write import PreparedLandmarks, write_landmarks
from mos.data.points import to_stored
from mos.engine.progress import progress
from mos.errors import BadInput
from mos.folders import dataset_folder
from mos.io.fit_picture import FittedPicture, PicturePreparation, prepare_picture
from mos.io.picture import picture_size, read_picture
from mos.io.point_list import PointList, PointRow
from mos.io.stack import Stack, read_stack
from run.landmark.build_list import case_ids, find_list, point_names, swap_pairs
from run.landmark.build_sheet import write_sheet
from run.landmark.build_split import deal, patients_of

TASK = "landmark"
SHEET_CASES = 12
_LONGER_SIDE, _MULTIPLE = 512, 32
# A list's scale that differs more from what a DICOM file says of itself is warned of.
_SCALE_TOLERANCE = 0.02


def build(options, targets: Mapping[str, tuple[Path, int | None]], command: list[str]) -> None:
    """Makes the dataset files `targets`: name -> (path, fold; None for all cases in one part).

    Raises:
        BadInput: whatever is wrong with the list, the pictures, the split or the disk.
    """
    found, stack = find_list(options)
    names = point_names(options, found)
    swap = swap_pairs(options.swap, names)
    ids = case_ids(found, stack)
    patients = patients_of(options, found, ids)
    alone = "" if len(set(patients)) < len(ids) else " (each picture counts as a patient)"
    print(f"{len(ids)} pictures of {len(set(patients))} patients{alone}, {len(names)} points each")
    if found.unused:
        print(f"columns not used: {', '.join(found.unused)}")
    # Dealt before anything is read: too few patients are said at once.
    parts = {name: deal(options, found, patients, fold) for name, (_, fold) in targets.items()}
    preparation = _plan(options, found, stack)
    prepared = _prepare(options, found, stack, preparation, ids, patients, names, swap)
    _sum_up(prepared)
    for name, (path, _) in targets.items():
        write_landmarks(path, prepared, parts[name], name=name, command=command)
        sizes = ", ".join(f"{split} {len(rows)}" for split, rows in parts[name].items())
        print(f"{path}: {sizes}, {path.stat().st_size / 1e6:.1f} MB", flush=True)
    sheet = dataset_folder(TASK) / f"{TASK}-{options.name}.png"
    rows = np.unique(np.linspace(0, len(ids) - 1, SHEET_CASES).round().astype(int))
    write_sheet(sheet, prepared, rows)
    print(f"{sheet}: look at it before you train")


def _plan(options, found: PointList, stack: Stack | None) -> PicturePreparation:
    """Settles the stored size, from headers alone."""
    size = tuple(options.image_size)
    if stack:
        sizes = [stack.size]
    else:
        files = progress(found.rows, total=len(found.rows), title="headers")
        sizes = [_named(row, picture_size, row.file, exif=options.exif) for row in files]
    largest = np.max(sizes, axis=0)
    if not any(size):
        times = min(1.0, _LONGER_SIDE / largest.max())
        size = tuple(int(-(-round(side * times) // _MULTIPLE) * _MULTIPLE) for side in largest)
    smallest = np.min(sizes, axis=0)
    print(
        f"pictures are {smallest[0]},{smallest[1]} to {largest[0]},{largest[1]} pixels (h,w); stored as "
        f"{size[0]},{size[1]}, aspect kept",
        flush=True,
    )
    cut = options.cut_padding == "yes" or (options.cut_padding == "auto" and stack is not None)
    return PicturePreparation(
        size=size, cut_padding=cut, colour=options.colour, percentiles=options.percentiles
    )


def _prepare(
    options,
    found: PointList,
    stack: Stack | None,
    preparation: PicturePreparation,
    ids: Sequence[str],
    patients: Sequence[str],
    names: Sequence[str],
    swap: Sequence[tuple[int, int]],
) -> PreparedLandmarks:
    """All pictures in uint8 with their points in stored pixels."""
    count = len(found.rows)
    images = np.zeros((count, 3 if options.colour else 1, *preparation.size), np.uint8)
    points = np.zeros((count, len(names), 2))
    scales = np.zeros((count, 2))
    cases, seen, contrary = [], {}, []
    pictures = progress(_pictures(options, found, stack), total=count, title="preparing")
    for number, (row, pixels, spacing) in enumerate(pictures):
        fitted = _named(row, prepare_picture, pixels, preparation, ids[number])
        digest = image_digest(fitted.image)
        if (twin := seen.setdefault(digest, ids[number])) != ids[number]:
            raise BadInput(
                f"{row.where}: {ids[number]} and {twin} are the same picture, pixel for pixel; take one of them "
                "out, so that none trains and tests"
            )
        _check_points(row, fitted, names, options.outside)
        scale = _scale_of(options, row, spacing, contrary)
        factor, offset = np.array(fitted.fit.factor), np.array(fitted.fit.offset)
        images[number] = fitted.image
        points[number] = to_stored(row.points, factor, offset)
        scales[number] = np.array(scale) * factor
        source = str(row.file) if row.file else f"{found.path} image {row.number + 1}"
        cases.append(
            {
                "id": ids[number],
                "patient": patients[number],
                "source": source,
                "scale": list(scale),
                "intensity": list(fitted.intensity),
                **fitted.fit.record(),
            }
        )
    if contrary:
        print(f"WARNING: {len(contrary)} pictures say another scale than the list, {contrary[0]}")
    return PreparedLandmarks(
        images=images,
        points=points,
        scale=scales,
        cases=cases,
        names=names,
        swap=swap,
        preparation=preparation.to_json(),
    )


def _pictures(
    options, found: PointList, stack: Stack | None
) -> Iterator[tuple[PointRow, np.ndarray, tuple[float, float] | None]]:
    """(row, pixels (ch, h, w), mm per pixel by the file itself) in the order of the list."""
    if stack is None:
        for row in found.rows:
            picture = _named(row, read_picture, row.file, exif=options.exif)
            yield row, picture.pixels, picture.spacing
        return
    numbers = [row.number for row in found.rows]
    for row, (_, pixels) in zip(found.rows, read_stack(stack, numbers), strict=True):
        yield row, pixels, None


def _named(row: PointRow, work, *given, **more):
    """Calls, and says which line of the list a picture that cannot be used stands in."""
    try:
        return work(*given, **more)
    except BadInput as error:
        raise BadInput(f"{row.where}: {error}") from error


def _check_points(
    row: PointRow, fitted: FittedPicture, names: Sequence[str], outside: float
) -> None:
    """Refuses points so far beyond the picture that they must be a mistake."""
    y0, x0, y1, x1 = fitted.fit.cut
    low, high = np.array([x0, y0]), np.array([x1, y1]) - 1
    beyond = np.maximum(low - row.points, row.points - high).max(axis=1)
    limit = outside * max(fitted.fit.original)
    far = np.flatnonzero(beyond > limit)
    if len(far):
        x, y = row.points[far[0]]
        h, w = y1 - y0, x1 - x0
        more = f" (and {len(far) - 1} more points of it)" if len(far) > 1 else ""
        raise BadInput(
            f"{row.where}: point {names[far[0]]} at x {x:g}, y {y:g} lies {beyond[far[0]]:.0f} pixels beyond the picture "
            f"of {w} x {h} pixels{more}; at most {limit:.0f} are let through. Are x and y swapped, or the points "
            "in another unit or of another size? --outside 0.5 lets more through, kept and masked"
        )


def _scale_of(
    options, row: PointRow, spacing: tuple[float, float] | None, contrary: list[str]
) -> tuple[float, float]:
    """mm per original pixel along x, y: the list's, else the picture's own, else `--scale`."""
    if row.scale and spacing:
        if not np.allclose(row.scale, spacing, rtol=_SCALE_TOLERANCE):
            contrary.append(f"such as {row.file}: {spacing[0]:g}, the list says {row.scale[0]:g}")
    scale = row.scale or spacing or (options.scale and (options.scale,) * 2)
    if not scale:
        raise BadInput(
            f"{row.where}: nothing says how many mm a pixel is; add a column scale (mm per pixel), or give "
            "--scale 0.1 where it is the same for all"
        )
    return scale


def _sum_up(prepared: PreparedLandmarks) -> None:
    """Says how large pixels are, and which points are masked and why."""
    low, high = prepared.scale.min(), prepared.scale.max()
    same = high - low < 5e-4 * high
    print(f"a stored pixel is {low:.4g}{'' if same else f' to {high:.4g}'} mm")
    unknown = np.isnan(prepared.points).any(axis=-1)
    outside = ~prepared.visible() & ~unknown
    for what, mask in (("lie outside their picture", outside), ("were not set", unknown)):
        if not mask.any():
            continue
        row, point = np.argwhere(mask)[0]
        usual = Counter(prepared.names[column] for _, column in np.argwhere(mask)).most_common(1)
        print(
            f"WARNING: {int(mask.sum())} points of {int(mask.any(axis=1).sum())} pictures {what}, such as "
            f"{prepared.names[point]} of {prepared.cases[row]['id']} (most often {usual[0][0]}, {usual[0][1]} times); "
            "they are masked: neither learnt nor scored"
        )
    if never := [n for n, mask in zip(prepared.names, (outside | unknown).T) if mask.all()]:
        print(f"WARNING: no picture shows {', '.join(never)}; nothing can be learnt of it")
