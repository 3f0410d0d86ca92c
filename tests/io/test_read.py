"""Every kind of image file becomes 3-D channels with the right geometry."""

import numpy as np
import pytest
import SimpleITK as sitk

from mos.errors import BadInput
from mos.io.geometry import Grid
from mos.io.read import read_grid, read_image, read_label, stem


def volume():
    image = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    image.SetSpacing((0.5, 0.7, 5.0))
    image.SetOrigin((1, 2, 3))
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, -1))
    return image


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".mha", ".mhd", ".nrrd"])
def test_every_volume_format_keeps_values_and_geometry(tmp_path, suffix):
    sitk.WriteImage(volume(), str(tmp_path / f"a{suffix}"))
    (image,) = read_image(tmp_path / f"a{suffix}")
    assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(volume()))
    assert np.allclose(Grid.of(image).affine, Grid.of(volume()).affine, atol=1e-5)
    grid, channels = read_grid(tmp_path / f"a{suffix}")
    assert grid.shape == (3, 4, 5) and channels == 1
    assert np.allclose(grid.affine, Grid.of(image).affine)


def test_the_fourth_axis_becomes_channels(tmp_path):
    sitk.WriteImage(sitk.JoinSeries([volume(), volume() * 2]), str(tmp_path / "a.nii.gz"))
    channels = read_image(tmp_path / "a.nii.gz")
    assert [c.GetSize() for c in channels] == [(5, 4, 3)] * 2
    assert sitk.GetArrayFromImage(channels[1]).max() == 118
    assert read_grid(tmp_path / "a.nii.gz")[1] == 2
    assert np.allclose(Grid.of(channels[1]).affine, Grid.of(volume()).affine, atol=1e-5)
    with pytest.raises(BadInput, match="2 channels found; a label map needs one"):
        read_label(tmp_path / "a.nii.gz")


def test_a_picture_is_a_volume_of_one_slice(tmp_path):
    sitk.WriteImage(
        sitk.GetImageFromArray(np.eye(6, dtype=np.uint8) * 255), str(tmp_path / "a.png")
    )
    assert read_image(tmp_path / "a.png")[0].GetSize() == (6, 6, 1)
    assert read_grid(tmp_path / "a.png")[0].shape == (1, 6, 6)


def test_a_slightly_sheared_nifti_is_squared_up_and_a_real_shear_refused(tmp_path):
    import nibabel

    for shear, name in ((0.002, "little"), (0.2, "much")):
        affine = np.diag([2.0, 2.0, 3.0, 1.0])
        affine[0, 1] = shear * 2
        file = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.float32), affine)
        file.set_sform(affine, 1)
        file.set_qform(None, 0)
        nibabel.save(file, tmp_path / f"{name}.nii.gz")
    (image,) = read_image(tmp_path / "little.nii.gz")
    assert np.allclose(image.GetSpacing(), (2, 2, 3), atol=1e-3) and image.GetSize() == (4, 5, 6)
    assert read_grid(tmp_path / "little.nii.gz")[0].shape == (6, 5, 4)
    with pytest.raises(BadInput, match="sheared"):
        read_image(tmp_path / "much.nii.gz")


@pytest.mark.parametrize("content", [b"", b"no image at all", None])
def test_what_cannot_be_read_is_named(tmp_path, content):
    file = tmp_path / "a.nii.gz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.nii\.gz: "):
        read_image(file)
    with pytest.raises(BadInput, match=r"a\.nii\.gz: "):
        read_grid(file)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "a.nrrd"])
def test_a_cut_off_file_is_named_and_not_filled_with_zeros(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 9999, (20, 30, 30)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(tmp_path / name))
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match=f"{name}: cannot be read"):
        read_image(tmp_path / name)


def test_a_stem_drops_only_image_suffixes(tmp_path):
    from pathlib import Path

    assert stem(Path("a/p1.frame.nii.gz")) == "p1.frame"
    assert stem(Path("a/series.2")) == "series.2"
