"""Reads an image or label file, or a DICOM folder, as SimpleITK images with their geometry."""

from pathlib import Path

import numpy as np

from mos.errors import BadInput
from mos.io.dicom import is_dicom_file, read_series, series_grid
from mos.io.geometry import Grid

SUFFIXES = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd", ".nhdr", ".png", ".tif", ".tiff", ".bmp")
# Axes of a NIfTI affine this far from orthogonal (cosine) are rounding and are squared up.
_SHEAR_TOLERANCE = 0.01


def stem(path: Path) -> str:
    """A file's name without its image suffix (`.nii.gz` counts as one); a folder's whole name."""
    for suffix in SUFFIXES + (".dcm",):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def read_image(path: Path, *, allow_gaps: bool = False) -> list:
    """Reads one image.

    Args:
        path: a file of one of SUFFIXES, a DICOM file, or a folder with one DICOM series.
        allow_gaps: fill missing DICOM slices by interpolation instead of refusing them.

    Returns:
        3-D `sitk.Image`s on one grid, one for each channel: the fourth axis of a 4-D image, or the
        components of a pixel, become channels. A 2-D picture becomes a single slice.

    Raises:
        BadInput: missing or unreadable file, or a series that is no volume.
    """
    path = _existing(path)
    if path.is_dir() or is_dicom_file(path):
        return [read_series(path, allow_gaps=allow_gaps)]
    return _split_channels(_read_file(path), path)


def read_label(path: Path):
    """Reads a label map: like `read_image`, but one channel only.

    Raises:
        BadInput: also when there are several channels.
    """
    channels = read_image(path)
    if len(channels) != 1:
        raise BadInput(
            f"{path}: {len(channels)} channels found; a label map needs one number a voxel"
        )
    return channels[0]


def read_grid(path: Path, *, allow_gaps: bool = False) -> tuple[Grid, int]:
    """Reads only an image's grid and number of channels, from its header.

    Raises:
        BadInput: like `read_image`.
    """
    import SimpleITK as sitk

    path = _existing(path)
    if path.is_dir() or is_dicom_file(path):
        return series_grid(path, allow_gaps=allow_gaps), 1
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        channels = _split_channels(_read_file(path), path)  # says what is wrong, or mends it
        return Grid.of(channels[0]), len(channels)
    if reader.GetDimension() == 3:
        return Grid.of(reader), reader.GetNumberOfComponents()
    channels = _split_channels(reader.Execute(), path)
    return Grid.of(channels[0]), len(channels)


def _existing(path: Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder")
    if path.is_file() and path.stat().st_size == 0:
        raise BadInput(f"{path}: the file is empty; copy it again")
    return path


def _read_file(path: Path):
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        _need_whole_nifti(path)
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        if "orthonormal" in str(error):
            return _read_sheared_nifti(path)
        reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        raise BadInput(
            f"{path}: cannot be read as an image ({reason[:200]}); is it complete? "
            f"Readable are {', '.join(SUFFIXES)} and DICOM folders"
        ) from error


def _need_whole_nifti(path: Path) -> None:
    """ITK fills what a truncated NIfTI file lacks with zeros and says nothing; nibabel notices."""
    import nibabel

    try:
        nibabel.load(path).dataobj[..., -1]
    except Exception as error:  # gzip, zlib, struct and nibabel each raise their own
        raise BadInput(
            f"{path}: cannot be read to its end ({error}); copy the file again"
        ) from error


def _read_sheared_nifti(path: Path):
    """Reads a NIfTI file whose axes are not quite at right angles, which ITK refuses."""
    import nibabel
    import SimpleITK as sitk

    file = nibabel.load(path)
    if file.ndim != 3:
        raise BadInput(
            f"{path}: its affine is sheared and it is not 3-D; resample it to a plain grid"
        )
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ file.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not spacing.all():
        raise BadInput(f"{path}: its affine maps an axis to nothing; mend the header")
    direction = affine[:3, :3] / spacing
    shear = np.abs(direction.T @ direction - np.eye(3)).max()
    if shear > _SHEAR_TOLERANCE:
        raise BadInput(
            f"{path}: its axes are sheared (cosine {shear:.3f} between two of them); "
            "resample it to a grid with right angles first"
        )
    u, _, v = np.linalg.svd(direction)  # the nearest matrix with right angles
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(file.dataobj).T))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((u @ v).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def _split_channels(image, path: Path) -> list:
    import SimpleITK as sitk

    if "complex" in image.GetPixelIDTypeAsString():
        raise BadInput(f"{path}: holds complex numbers; save the magnitude instead")
    count = image.GetNumberOfComponentsPerPixel()
    parts = (
        [image] if count == 1 else [sitk.VectorIndexSelectionCast(image, i) for i in range(count)]
    )
    if image.GetDimension() == 2:
        return [sitk.JoinSeries([part]) for part in parts]
    if image.GetDimension() == 3:
        return parts
    if image.GetDimension() == 4:
        frames = range(image.GetSize()[3])
        return [part[:, :, :, frame] for part in parts for frame in frames]
    raise BadInput(f"{path}: has {image.GetDimension()} dimensions, needs 2, 3 or 4")
