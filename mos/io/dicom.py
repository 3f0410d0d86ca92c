"""Reads one DICOM series as a volume: slices by position along their normal, never by number or name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mos.errors import BadInput
from mos.io.geometry import Grid

# Compressed transfer syntaxes that pydicom reads without further libraries: deflated, run-length.
_BY_PYDICOM = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5")
# Image direction cosines that differ by more belong to another stack.
_DIRECTION_TOLERANCE = 1e-2
# Steps between slices may differ by this part of the usual one; positions are often rounded.
_STEP_TOLERANCE = 0.1


@dataclass(frozen=True)
class _Slice:
    path: Path
    header: object  # pydicom Dataset without pixels
    position: np.ndarray  # (3,) LPS mm of the first pixel
    direction: np.ndarray  # (2, 3): unit vectors along a row and down a column
    shape: tuple[int, int]  # rows, columns
    spacing: tuple[float, float]  # mm between rows, between columns


def is_dicom_file(path: Path) -> bool:
    """True for a file with DICOM's mark in its preamble, or named `.dcm`."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return path.suffix.lower() == ".dcm" or file.read(132)[128:] == b"DICM"


def series_grid(path: Path, *, allow_gaps: bool = False) -> Grid:
    """The grid of a series, from its headers; takes and raises what `read_series` does."""
    slices, indices, step = _arranged(path, allow_gaps)
    return _grid(slices, indices, step)


def read_series(path: Path, *, allow_gaps: bool = False):
    """Reads one series.

    Args:
        path: a folder that holds one series (files that are no DICOM images are passed over), or a file.
        allow_gaps: fill missing slices by linear interpolation instead of refusing them.

    Returns:
        A 3-D `sitk.Image` in LPS, values after each slice's own rescale slope and intercept.

    Raises:
        BadInput: no image, several series, several orientations or sizes, slices missing or twice,
            tilted stacks, colour, multi-frame files, pixels that cannot be decoded.
    """
    slices, indices, step = _arranged(path, allow_gaps)
    grid = _grid(slices, indices, step)
    pixels = np.stack([decode_pixels(one.path, one.header) for one in slices])
    if not np.array_equal(indices, np.arange(grid.shape[0])):
        pixels = _interpolated(pixels, indices, grid.shape[0])
    return grid.image(pixels)


def _arranged(path: Path, allow_gaps: bool) -> tuple[list[_Slice], np.ndarray, float]:
    """The slices in order, the place of each counted in steps, and the step in mm."""
    slices = _one_stack(path, _headers(path))
    normal = np.cross(*slices[0].direction)
    slices.sort(key=lambda one: float(one.position @ normal))
    along = np.array([one.position @ normal for one in slices])
    if len(slices) == 1:
        return slices, np.zeros(1), _thickness(slices[0])
    steps = np.diff(along)
    usual = float(np.median(steps))
    twice = int(np.argmin(steps))
    if steps[twice] < 0.01 * usual or usual < 1e-4:
        a, b = slices[twice].path.name, slices[twice + 1].path.name
        raise BadInput(
            f"{path}: {a} and {b} lie at the same position ({along[twice]:.2f} mm along the slice "
            "normal). Several time points, echoes or b-values in one series? Put each in a folder of its own"
        )
    _refuse_tilt(path, slices, normal)
    odd = np.flatnonzero(np.abs(steps / usual - 1) > _STEP_TOLERANCE)
    if not len(odd):
        return slices, np.arange(len(slices)), float(along[-1] - along[0]) / (len(slices) - 1)
    if not allow_gaps:
        gaps = "; ".join(
            f"{steps[i]:.2f} mm between {slices[i].path.name} and {slices[i + 1].path.name} "
            f"(position {along[i]:.2f} to {along[i + 1]:.2f})"
            for i in odd[:4]
        )
        raise BadInput(
            f"{path}: slices are missing or uneven: the usual step is {usual:.2f} mm, but {gaps}. "
            "Copy the series again, or give --allow_gaps to fill by interpolation"
        )
    return slices, (along - along[0]) / usual, usual


def _headers(path: Path) -> list[_Slice]:
    """The readable DICOM images of a folder."""
    from pydicom import dcmread

    path = Path(path)
    files = [path] if path.is_file() else sorted(f for f in path.iterdir() if f.is_file())
    slices = []
    for file in files:
        header = _header(file, dcmread)
        if header is not None:
            slices.append(_slice(file, header))
    if not slices:
        raise BadInput(
            f"{path}: no DICOM image among {len(files)} files; needs one series a folder"
        )
    return slices


def _header(file: Path, dcmread):
    """The header of a DICOM image, or None for any other file."""
    from pydicom.errors import InvalidDicomError

    try:
        try:
            header = dcmread(file, stop_before_pixels=True)
        except InvalidDicomError:
            # Old archives leave the preamble out; such files still say what they are.
            header = dcmread(file, stop_before_pixels=True, force=True)
            if "SOPClassUID" not in header:
                return None
        has_rows = "Rows" in header and "Columns" in header
    except Exception as error:  # pydicom reports garbled files with whatever its parser trips over
        if is_dicom_file(file):
            raise BadInput(f"{file}: garbled DICOM file ({error}); copy it again") from error
        return None
    return header if has_rows else None


def _slice(file: Path, header) -> _Slice:
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise BadInput(
            f"{file}: a multi-frame DICOM file ({header.NumberOfFrames} frames); convert it to NIfTI "
            "first, for instance with dcm2niix"
        )
    if int(header.get("SamplesPerPixel") or 1) != 1:
        raise BadInput(f"{file}: a colour picture; needs one number a pixel")
    spacing = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    place, axes = header.get("ImagePositionPatient"), header.get("ImageOrientationPatient")
    if not spacing or not place or not axes:
        missing = [
            name
            for name, value in (
                ("PixelSpacing", spacing),
                ("ImagePositionPatient", place),
                ("ImageOrientationPatient", axes),
            )
            if not value
        ]
        raise BadInput(
            f"{file}: {', '.join(missing)} is missing, so its place is unknown; leave it out"
        )
    direction = np.array(axes, dtype=float).reshape(2, 3)
    length = np.linalg.norm(direction, axis=1)
    if np.abs(length - 1).max() > 0.01 or abs(direction[0] @ direction[1]) > 0.01:
        raise BadInput(f"{file}: ImageOrientationPatient {list(axes)} is no pair of unit vectors")
    return _Slice(
        file,
        header,
        np.array(place, dtype=float),
        direction / length[:, None],
        (int(header.Rows), int(header.Columns)),
        (float(spacing[0]), float(spacing[1])),
    )


def _one_stack(path: Path, slices: list[_Slice]) -> list[_Slice]:
    """Refuses slices that do not belong to one stack, naming the groups."""
    _need_one(
        path,
        slices,
        [str(one.header.get("SeriesInstanceUID", "")) for one in slices],
        [f"series {one.header.get('SeriesDescription') or 'without a name'}" for one in slices],
        "several series",
    )
    groups: list[np.ndarray] = []
    keys = []
    for one in slices:
        near = [np.abs(one.direction - g).max() < _DIRECTION_TOLERANCE for g in groups]
        if not any(near):
            groups.append(one.direction)
        keys.append(near.index(True) if any(near) else len(groups) - 1)
    names = [_plane(one.direction) for one in slices]
    _need_one(path, slices, keys, names, "mixed orientations (a localizer?)")
    sizes = [(one.shape, tuple(round(s, 3) for s in one.spacing)) for one in slices]
    names = [f"{s[0][0]}x{s[0][1]} pixels of {s[1][0]:g}x{s[1][1]:g} mm" for s in sizes]
    _need_one(path, slices, sizes, names, "slices of different sizes")
    return slices


def _need_one(
    path: Path, slices: Sequence[_Slice], keys: list, names: list[str], what: str
) -> None:
    if len(set(keys)) == 1:
        return
    groups: dict = {}
    for one, key, name in zip(slices, keys, names):
        groups.setdefault(key, (name, []))[1].append(one.path.name)
    parts = "; ".join(
        f"{name}: {len(files)} files ({', '.join(files[:3])}{', ...' if len(files) > 3 else ''})"
        for name, files in groups.values()
    )
    raise BadInput(
        f"{path}: holds {what}, which is not one volume: {parts}. Move the files of each into a folder "
        "of its own and give those folders"
    )


def _plane(direction: np.ndarray) -> str:
    axis = int(np.abs(np.cross(*direction)).argmax())
    cosines = ",".join(f"{v:.3g}" for v in direction.ravel())
    return f"{('sagittal', 'coronal', 'axial')[axis]} [{cosines}]"


def _refuse_tilt(path: Path, slices: list[_Slice], normal: np.ndarray) -> None:
    """A stack whose slices slide sideways (tilted gantry) is no rectangular grid."""
    moved = slices[-1].position - slices[0].position
    sideways = float(np.linalg.norm(moved - (moved @ normal) * normal))
    if sideways > 0.5 * min(slices[0].spacing) and sideways > 0.01 * abs(moved @ normal):
        raise BadInput(
            f"{path}: slices slide sideways by {sideways:.1f} mm over the stack (tilted gantry); "
            "convert it with a tool that straightens it, such as dcm2niix, and give the NIfTI file"
        )


def _thickness(one: _Slice) -> float:
    for key in ("SpacingBetweenSlices", "SliceThickness"):
        if value := abs(float(one.header.get(key) or 0)):
            return value
    return 1.0


def _grid(slices: list[_Slice], indices: np.ndarray, step: float) -> Grid:
    first = slices[0]
    row, column = first.direction
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * first.spacing[1], column * first.spacing[0]
    affine[:3, 2] = np.cross(row, column) * step
    affine[:3, 3] = first.position
    return Grid((int(round(float(indices[-1]))) + 1, *first.shape), affine)


def _interpolated(pixels: np.ndarray, indices: np.ndarray, count: int) -> np.ndarray:
    """Linear interpolation of slices (n, h, w) at uneven places onto 0 .. count - 1; float32."""
    wanted = np.clip(np.arange(count), indices[0], indices[-1])
    after = np.clip(np.searchsorted(indices, wanted), 1, len(indices) - 1)
    span = indices[after] - indices[after - 1]
    part = ((wanted - indices[after - 1]) / span).astype(np.float32)[:, None, None]
    return pixels[after - 1] * (1 - part) + pixels[after] * part


def decode_pixels(path: Path, header) -> np.ndarray:
    """The pixels of one file, rescaled by its own slope and intercept; (h, w), colour (h, w, 3).

    Plain and run-length data are pydicom's, which notices when some are missing; JPEG, JPEG 2000 and
    JPEG-LS are decoded by GDCM inside SimpleITK.

    Args:
        header: the file's pydicom Dataset, pixels may be left out.

    Raises:
        BadInput: the pixels cannot be decoded.
    """
    import SimpleITK as sitk
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut

    try:
        syntax = header.file_meta.get("TransferSyntaxUID") if header.file_meta else None
        if syntax is not None and syntax.is_compressed and syntax not in _BY_PYDICOM:
            return sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))[0]
        data = dcmread(path, force=True)
        return np.asarray(apply_modality_lut(data.pixel_array, data))
    except Exception as error:  # the decoders share no exception type
        reason = str(error).strip().splitlines()[-1][:200] if str(error).strip() else repr(error)
        raise BadInput(
            f"{path}: its pixels cannot be decoded ({reason}); copy the file again, or convert the "
            "series to NIfTI with dcm2niix"
        ) from error
