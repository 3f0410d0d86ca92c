"""Reads one 2-D picture: PNG, JPEG, BMP, TIFF or DICOM, with all its bits and the right way round."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mos.errors import BadInput
from mos.io.dicom import decode_pixels, is_dicom_file

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".dcm")
Exif = Literal["refuse", "apply", "ignore"]
_EXIF_ORIENTATION, _TIFF_PHOTOMETRIC = 0x0112, 262


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as it was stored; brighter is a larger number."""

    pixels: np.ndarray  # (ch, h, w), 1 channel or 3; uint8 or a wider type
    spacing: tuple[float, float] | None = (
        None  # mm per pixel along x, y, where a DICOM file says it
    )

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)"""
        return self.pixels.shape[1:]


def read_picture(path: Path, *, exif: Exif = "refuse") -> Picture:
    """Reads one picture.

    16-bit files keep their 16 bits; DICOM values are rescaled, and MONOCHROME1 is turned so that bone is
    bright. An alpha channel is left out.

    Args:
        exif: of a file that says it must be turned (EXIF orientation): `refuse` it, `apply` the turn as
            viewers do, or `ignore` it and keep the rows and columns as they are stored.

    Raises:
        BadInput: missing, unreadable, of several pages or frames, or to be turned and `exif` is refuse.
    """
    path = _existing(path)
    if is_dicom_file(path):
        return _read_dicom(path)
    with _opened(path, exif) as image:
        try:
            return Picture(pixels=_pixels(image, path))
        except (OSError, ValueError, SyntaxError) as error:
            raise _unreadable(path, error) from error


def picture_size(path: Path, *, exif: Exif = "refuse") -> tuple[int, int]:
    """(h, w) of a picture, from its header; takes and raises what `read_picture` does."""
    path = _existing(path)
    if is_dicom_file(path):
        header = _dicom_header(path)
        return int(header.Rows), int(header.Columns)
    with _opened(path, exif) as image:
        turned = exif == "apply" and _orientation(image) >= 5  # rows become columns
        return image.size if turned else image.size[::-1]


def _existing(path: Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise BadInput(f"{path}: the file is empty; copy it again")
    return path


def _opened(path: Path, exif: Exif):
    """The file opened by Pillow, turned where asked for; pixels are not read yet."""
    from PIL import Image, ImageOps

    try:
        image = Image.open(path)
        pages = getattr(image, "n_frames", 1)
        orientation = _orientation(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error
    if pages > 1:
        raise BadInput(
            f"{path}: holds {pages} pages or frames; needs one picture a file, so save the right one alone"
        )
    if orientation == 1 or exif == "ignore":
        return image
    if exif == "refuse":
        raise BadInput(
            f"{path}: says that it must be turned for viewing (EXIF orientation {orientation}). Give --exif apply "
            "if its points were set on the picture as viewers show it, --exif ignore if on its stored rows "
            "and columns"
        )
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise _unreadable(path, error) from error


def _orientation(image) -> int:
    return int(image.getexif().get(_EXIF_ORIENTATION, 1))


def _unreadable(path: Path, error: Exception) -> BadInput:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return BadInput(
        f"{path}: cannot be read as a picture ({reason}); is it complete? Readable are "
        f"{', '.join(SUFFIXES)}"
    )


def _pixels(image, path: Path) -> np.ndarray:
    """(ch, h, w) of an opened picture."""
    if image.mode.startswith("I") or image.mode == "F":
        array = np.asarray(image)
        if image.mode != "F":
            array = array.astype(np.int32)
        # Pillow turns white-is-zero pictures of 8 bits, not those of 16.
        if getattr(image, "tag_v2", {}).get(_TIFF_PHOTOMETRIC) == 0:
            array = array.max() - array
        if not np.isfinite(array).all():
            raise BadInput(f"{path}: holds pixels that are no numbers (nan or infinity)")
        return array[None]
    if image.mode in ("1", "L", "LA", "La"):
        return np.array(image.convert("L"))[None]
    return np.array(image.convert("RGB")).transpose(2, 0, 1)


def _dicom_header(path: Path):
    from pydicom import dcmread

    try:
        header = dcmread(path, stop_before_pixels=True, force=True)
        frames = int(header.get("NumberOfFrames") or 1)
        known = "Rows" in header and "Columns" in header
    except Exception as error:  # pydicom reports garbled files with whatever its parser trips over
        raise BadInput(f"{path}: garbled DICOM file ({error}); copy it again") from error
    if not known:
        raise BadInput(f"{path}: a DICOM file without a picture; take it out of the list")
    if frames > 1:
        raise BadInput(
            f"{path}: a DICOM file of {frames} frames; needs one picture, so export the right one alone"
        )
    return header


def _read_dicom(path: Path) -> Picture:
    header = _dicom_header(path)
    pixels = decode_pixels(path, header)
    if pixels.ndim == 3:
        pixels = pixels[..., :3].transpose(2, 0, 1)
    else:
        pixels = pixels[None]
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        pixels = pixels.max() - pixels
    spacing = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    if spacing is not None:
        spacing = float(spacing[1]), float(spacing[0])  # DICOM says rows first
    return Picture(pixels=pixels, spacing=spacing)
