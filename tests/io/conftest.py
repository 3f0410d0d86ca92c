"""Small volumes and DICOM series that the tests of reading and preparing share."""

from pathlib import Path

import numpy as np
import pytest


def rotation(*degrees: float) -> np.ndarray:
    """A rotation about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = [i for i in range(3) if i != axis]
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


@pytest.fixture
def write_series():
    """`write_series(folder, volume, ...)` writes (d, h, w) stored integers as one DICOM series."""
    return _write_series


def _write_series(
    folder: Path,
    volume: np.ndarray,
    *,
    spacing=(3.0, 0.8, 0.6),
    direction=np.eye(3),
    origin=(-20.0, 5.0, 40.0),
    slopes=None,
    implicit=False,
    only=None,
    uid="1.2.3.4",
    prefix="IM",
) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

    folder.mkdir(exist_ok=True)
    # Names and instance numbers run against each other and against the positions.
    names = np.random.default_rng(1).permutation(len(volume))
    numbers = np.random.default_rng(2).permutation(len(volume))
    for index in range(len(volume)) if only is None else only:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = f"{uid}.{index + 1}"
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        data.Modality, data.SeriesInstanceUID, data.StudyInstanceUID = "MR", uid, "1.2.3"
        data.InstanceNumber = int(numbers[index]) + 1
        data.Rows, data.Columns = volume.shape[1:]
        data.PixelSpacing = [spacing[1], spacing[2]]
        data.SliceThickness = spacing[0]
        data.ImageOrientationPatient = [float(v) for v in direction[:, :2].T.ravel()]
        place = np.asarray(origin) + direction[:, 2] * spacing[0] * index
        data.ImagePositionPatient = [f"{v:.6f}" for v in place]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 0
        if slopes is not None:
            data.RescaleSlope, data.RescaleIntercept = float(slopes[index]), -10.0
        data.PixelData = volume[index].astype("<u2").tobytes()
        data.save_as(folder / f"{prefix}{names[index]:03d}", enforce_file_format=True)


@pytest.fixture
def turned():
    return rotation
