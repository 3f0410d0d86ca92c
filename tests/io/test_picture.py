"""Pictures of every format: all their bits, the right way round, or a clear refusal."""

import numpy as np
import pytest
from PIL import Image

from mos.errors import BadInput
from mos.io.picture import picture_size, read_picture

RAMP = (np.arange(12, dtype=np.uint8) * 20).reshape(3, 4)


def save(path, array, mode=None, **more):
    Image.fromarray(array, mode).save(path, **more)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff"])
def test_grey_pictures_keep_their_values(tmp_path, suffix):
    path = save(tmp_path / f"a.{suffix}", RAMP)
    picture = read_picture(path)
    assert picture.pixels.dtype == np.uint8
    assert np.array_equal(picture.pixels, RAMP[None])
    assert picture.size == picture_size(path) == (3, 4) and picture.spacing is None


def test_a_jpeg_is_read_nearly_as_it_was(tmp_path):
    smooth = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (16, 1))
    picture = read_picture(save(tmp_path / "a.jpg", smooth, quality=95))
    assert picture.pixels.shape == (1, 16, 32)
    assert np.abs(picture.pixels[0].astype(int) - smooth).max() < 6


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_stay_sixteen(tmp_path, suffix):
    deep = RAMP.astype(np.uint16) * 250
    assert np.array_equal(read_picture(save(tmp_path / f"a.{suffix}", deep)).pixels, deep[None])


def test_a_float_tiff_keeps_its_values(tmp_path):
    values = RAMP / np.float32(7)
    assert np.array_equal(read_picture(save(tmp_path / "a.tif", values)).pixels, values[None])


def test_a_tiff_whose_zero_is_white_is_turned(tmp_path):
    path = save(tmp_path / "a.tif", RAMP, tiffinfo={262: 0})
    assert (255 - RAMP).tobytes() in path.read_bytes()  # Pillow has turned it in writing
    assert np.array_equal(read_picture(path).pixels[0], RAMP)
    deep = RAMP.astype(np.uint16) * 250
    path = save(tmp_path / "b.tif", deep, tiffinfo={262: 0})
    assert deep.tobytes() in path.read_bytes()  # as it is
    assert np.array_equal(read_picture(path).pixels[0], deep.max() - deep)


def test_colour_has_three_channels_and_alpha_is_left_out(tmp_path):
    colour = np.stack([RAMP, RAMP // 2, 255 - RAMP], -1)
    assert np.array_equal(
        read_picture(save(tmp_path / "a.png", colour)).pixels, colour.transpose(2, 0, 1)
    )
    alpha = np.concatenate([colour, np.full((3, 4, 1), 9, np.uint8)], -1)
    assert np.array_equal(
        read_picture(save(tmp_path / "b.png", alpha)).pixels, colour.transpose(2, 0, 1)
    )


@pytest.fixture
def turned(tmp_path):
    """Says that its first row is the right side of what is to be seen."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return save(tmp_path / "a.png", RAMP, exif=exif)


def test_a_picture_that_must_be_turned_is_refused_until_one_says_how(turned):
    for read in (read_picture, picture_size):
        with pytest.raises(BadInput, match="EXIF orientation 6.*--exif apply.*--exif ignore"):
            read(turned)


def test_exif_apply_turns_as_viewers_do_and_ignore_does_not(turned):
    applied, ignored = read_picture(turned, exif="apply"), read_picture(turned, exif="ignore")
    assert np.array_equal(applied.pixels[0], np.rot90(RAMP, -1))
    assert np.array_equal(ignored.pixels[0], RAMP)
    assert picture_size(turned, exif="apply") == applied.size == (4, 3)
    assert picture_size(turned, exif="ignore") == ignored.size == (3, 4)


def dicom(path, pixels, *, photometric="MONOCHROME2", **tags):
    """An X-ray: no position in the patient, as radiographs have it."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", generate_uid()
    data.Modality = "DX"
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = photometric
    data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, 0
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
    return path


def test_a_dicom_radiograph_is_read_with_its_spacing(tmp_path):
    deep = RAMP.astype(np.uint16) * 200
    path = dicom(tmp_path / "a.dcm", deep, ImagerPixelSpacing=[0.1, 0.2])
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, deep[None])
    assert picture.spacing == (0.2, 0.1)  # x, y; DICOM says rows first
    assert picture_size(path) == (3, 4)


def test_monochrome1_is_turned_so_that_bone_is_bright(tmp_path):
    deep = RAMP.astype(np.uint16) * 200
    picture = read_picture(dicom(tmp_path / "a.dcm", deep, photometric="MONOCHROME1"))
    assert np.array_equal(picture.pixels[0], deep.max() - deep)


def test_a_rescaled_dicom_gives_the_rescaled_values(tmp_path):
    path = dicom(tmp_path / "a.dcm", RAMP, RescaleSlope=2, RescaleIntercept=-10)
    assert np.array_equal(read_picture(path).pixels[0], RAMP * 2.0 - 10)


def test_a_colour_dicom_has_three_channels(tmp_path):
    colour = np.stack([RAMP, RAMP // 2, RAMP // 4], -1)
    picture = read_picture(dicom(tmp_path / "a.dcm", colour, photometric="RGB"))
    assert np.array_equal(picture.pixels, colour.transpose(2, 0, 1))


def test_a_dicom_of_many_frames_is_refused(tmp_path):
    path = dicom(tmp_path / "a.dcm", RAMP, NumberOfFrames=5)
    with pytest.raises(BadInput, match="5 frames"):
        read_picture(path)


def test_a_tiff_of_several_pages_is_refused(tmp_path):
    page = Image.fromarray(RAMP)
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    with pytest.raises(BadInput, match="2 pages"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", None, "no such file"),
        ("a.png", b"", "the file is empty"),
        ("a.png", b"hello, I am no picture", "cannot be read as a picture"),
        ("a.dcm", b"neither am I", "a DICOM file without a picture|garbled DICOM"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for read in (read_picture, picture_size):
        with pytest.raises(BadInput, match=words):
            read(tmp_path / name)


def test_a_picture_that_breaks_off_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = save(tmp_path / "a.png", noise)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadInput, match="is it complete"):
        read_picture(path)
