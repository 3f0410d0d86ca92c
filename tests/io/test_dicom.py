"""DICOM series become volumes with the geometry SimpleITK's own reader finds, or are refused."""

import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from mos.errors import BadInput
from mos.io.dicom import is_dicom_file
from mos.io.geometry import Grid
from mos.io.read import read_grid, read_image

SERIES = (
    "ct_axial_implicit_le",
    "ct_axial_jpeg2000",
    "mr_double_oblique_toshiba",
    "mr_oblique_rescale_philips",
)


def volume(depth=6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1000, (depth, 7, 9))


def by_simpleitk(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def assert_same(ours, theirs):
    assert np.allclose(Grid.of(ours).affine, Grid.of(theirs).affine, atol=1e-4)
    assert ours.GetSize() == theirs.GetSize()
    assert np.allclose(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs), atol=1e-3)


@pytest.mark.parametrize("name", SERIES)
def test_real_series_agree_with_simpleitk(shared_data, name):
    folder = shared_data / "dicom_series" / name
    (ours,) = read_image(folder)
    assert_same(ours, by_simpleitk(folder))
    grid, channels = read_grid(folder)
    assert channels == 1 and np.allclose(grid.affine, Grid.of(ours).affine)


def test_the_real_localizer_is_refused_by_its_orientations(shared_data):
    with pytest.raises(BadInput, match=r"(?s)axial.*3 files.*sagittal.*coronal.*folder of its own"):
        read_image(shared_data / "dicom_series" / "mr_localizer_mixed_orientations")


@pytest.mark.parametrize("implicit", [False, True])
def test_an_oblique_series_is_ordered_by_position_whatever_its_names_and_numbers(
    tmp_path, write_series, turned, implicit
):
    write_series(tmp_path / "s", volume(), direction=turned(20, 30, -15), implicit=implicit)
    (image,) = read_image(tmp_path / "s")
    assert np.array_equal(sitk.GetArrayFromImage(image), volume())
    assert_same(image, by_simpleitk(tmp_path / "s"))
    assert np.allclose(image.GetSpacing(), (0.6, 0.8, 3.0))


def test_each_slice_has_its_own_rescale_slope(tmp_path, write_series):
    slopes = np.array([1, 2, 0.5, 1.25, 3, 1])
    write_series(tmp_path / "s", volume(), slopes=slopes)
    (image,) = read_image(tmp_path / "s")
    expected = volume() * slopes[:, None, None] - 10
    assert np.allclose(sitk.GetArrayFromImage(image), expected)


def compress(file, kind: str) -> None:
    """Rewrites a DICOM file with compressed pixels."""
    from pydicom import dcmread, uid

    if kind == "RLE":
        data = dcmread(file)
        data.compress(uid.RLELossless)
        data.save_as(file)
        return
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    writer.UseCompressionOn()
    writer.SetCompressor(kind)
    writer.SetFileName(str(file))
    writer.Execute(sitk.ReadImage(str(file), imageIO="GDCMImageIO"))


@pytest.mark.parametrize("kind", ["RLE", "JPEG", "JPEG2000"])
def test_compressed_series_are_decoded(tmp_path, write_series, turned, kind):
    from pydicom import dcmread

    write_series(tmp_path / "s", volume(3), direction=turned(10, 20, 0))
    for file in (tmp_path / "s").iterdir():
        compress(file, kind)
        assert dcmread(file).file_meta.TransferSyntaxUID.is_compressed
    (image,) = read_image(tmp_path / "s")
    assert np.array_equal(sitk.GetArrayFromImage(image), volume(3))


def test_a_missing_slice_is_named_and_filled_only_when_asked(tmp_path, write_series):
    ramp = np.ones((6, 4, 4), int) * np.arange(6)[:, None, None] * 10
    write_series(tmp_path / "s", ramp, only=[0, 1, 2, 4, 5])
    with pytest.raises(
        BadInput, match=r"usual step is 3.00 mm, but 6.00 mm between .*--allow_gaps"
    ):
        read_image(tmp_path / "s")
    (image,) = read_image(tmp_path / "s", allow_gaps=True)
    assert sitk.GetArrayFromImage(image)[:, 0, 0].tolist() == [0, 10, 20, 30, 40, 50]


def test_two_slices_at_one_place_are_refused(tmp_path, write_series):
    write_series(tmp_path / "s", volume())
    write_series(tmp_path / "s", volume(), only=[2], prefix="ECHO2_")
    with pytest.raises(BadInput, match="same position.*folder of its own"):
        read_image(tmp_path / "s")


def test_two_series_in_one_folder_are_refused(tmp_path, write_series):
    write_series(tmp_path / "s", volume())
    write_series(tmp_path / "s", volume(), origin=(0, 0, 0), uid="1.2.3.5", prefix="B")
    with pytest.raises(BadInput, match="several series"):
        read_image(tmp_path / "s")


def test_slices_that_slide_sideways_are_refused(tmp_path, write_series, turned):
    from pydicom import dcmread

    write_series(tmp_path / "s", volume())
    for file in (tmp_path / "s").iterdir():
        data = dcmread(file)
        x, y, z = map(float, data.ImagePositionPatient)
        data.ImagePositionPatient = [x, y + 0.3 * z, z]
        data.save_as(file)
    with pytest.raises(BadInput, match="tilted gantry"):
        read_image(tmp_path / "s")


def test_other_files_in_the_folder_are_passed_over(tmp_path, write_series):
    write_series(tmp_path / "s", volume())
    (tmp_path / "s" / "notes.txt").write_text("not an image")
    (tmp_path / "s" / ".DS_Store").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "s" / "empty").write_bytes(b"")
    (tmp_path / "s" / "folder").mkdir()
    assert read_image(tmp_path / "s")[0].GetSize() == (9, 7, 6)


def test_a_folder_without_dicom_says_so(tmp_path):
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(BadInput, match="no DICOM image among 1 files"):
        read_image(tmp_path)


def test_a_cut_off_file_is_named(tmp_path, write_series):
    write_series(tmp_path / "s", volume())
    file = sorted((tmp_path / "s").iterdir())[0]
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(BadInput, match=f"{file.name}: its pixels cannot be decoded"):
        read_image(tmp_path / "s")


def test_a_cut_off_compressed_file_is_named(tmp_path, shared_data):
    (tmp_path / "s").mkdir()
    for one in sorted((shared_data / "dicom_series" / "ct_axial_jpeg2000").iterdir())[:4]:
        shutil.copy(one, tmp_path / "s")
    file = tmp_path / "s" / one.name
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BadInput, match=file.name):
        read_image(tmp_path / "s")


def test_one_file_is_a_single_slice(tmp_path, write_series):
    write_series(tmp_path / "s", volume(1))
    file = next((tmp_path / "s").iterdir())
    assert is_dicom_file(file)
    (image,) = read_image(file)
    assert image.GetSize() == (9, 7, 1) and image.GetSpacing()[2] == 3.0
