"""What --input names is segmented, all of it, or refused by name: nothing is skipped in silence."""

import numpy as np
import pytest
import SimpleITK as sitk

from mos.errors import BadInput
from run.baseline.predict_inputs import find_inputs, read_channels
from tests.io.conftest import _write_series as write_series


def image(path, channels=1, value=0):
    """A volume of 2x3x4 voxels, of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (2, 3, 4) if channels == 1 else (2, 3, 4, channels)
    array = np.full(shape, value, np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=channels > 1), str(path))


def found(folder, *patterns, channels=1, **options):
    patterns = [str(folder / pattern) for pattern in patterns]
    return {
        source.name: [str(file.relative_to(folder)) for file in source.files]
        for source in find_inputs(patterns, channels, **options)
    }


def refused(folder, *patterns, **options):
    with pytest.raises(BadInput) as error:
        found(folder, *patterns, **options)
    return str(error.value)


def test_numbered_cases_are_images_of_their_own_for_a_run_of_one_channel(tmp_path):
    for number in range(3):
        image(tmp_path / f"case_000{number}.nii.gz")
    assert list(found(tmp_path, ".")) == ["case_0000", "case_0001", "case_0002"]
    assert list(found(tmp_path, "*.nii.gz")) == ["case_0000", "case_0001", "case_0002"]


def test_channel_files_are_one_image_for_a_run_of_several_channels(tmp_path):
    for name in ("a_0001", "a_0000", "b_c_0000", "b_c_0001"):
        image(tmp_path / f"{name}.nii.gz", value=int(name[-1]))
    both = {
        "a": ["a_0000.nii.gz", "a_0001.nii.gz"],
        "b_c": ["b_c_0000.nii.gz", "b_c_0001.nii.gz"],
    }
    assert found(tmp_path, ".", channels=2) == both
    assert found(tmp_path, "*_0001.nii.gz", channels=2) == both, "one names all"
    source = find_inputs([str(tmp_path / "a*")], 2)[0]
    values = [sitk.GetArrayFromImage(channel).max() for channel in read_channels(source, 2)]
    assert values == [0, 1]


def test_channel_files_that_are_too_few_or_too_many_are_refused_by_name(tmp_path):
    image(tmp_path / "a_0000.nii.gz")
    message = refused(tmp_path, ".", channels=2)
    assert "'a'" in message and "1 channel files (a_0000.nii.gz)" in message
    assert "2 channels; needs a_0000 to a_0001" in message
    image(tmp_path / "a_0001.nii.gz")
    image(tmp_path / "a_0002.nii.gz")
    assert "(a_0000.nii.gz, a_0001.nii.gz, a_0002.nii.gz)" in refused(tmp_path, ".", channels=2)


def test_a_channel_given_twice_is_refused(tmp_path):
    for name in ("a_0000.nii.gz", "a_0000.mha"):
        image(tmp_path / name)
    assert "a_0000.mha, a_0000.nii.gz" in refused(tmp_path, ".", channels=2)


def test_images_whose_channels_bear_other_numbers_are_refused(tmp_path):
    for name in ("a_0000", "a_0001", "b_0000", "b_0002"):
        image(tmp_path / f"{name}.nii.gz")
    assert "number the channels alike" in refused(tmp_path, ".", channels=2)


def test_numbered_files_that_hold_all_channels_are_images_of_their_own(tmp_path):
    for number in range(3):
        image(tmp_path / f"case_000{number}.nii.gz", channels=2)
    assert list(found(tmp_path, ".", channels=2)) == ["case_0000", "case_0001", "case_0002"]


def test_another_number_of_channels_is_refused_with_the_way_to_name_files(tmp_path):
    image(tmp_path / "a.nii.gz")
    source = find_inputs([str(tmp_path)], 2)[0]
    with pytest.raises(BadInput, match=r"a\.nii\.gz: has 1 channels.*trained on 2; name .* X_0000"):
        read_channels(source, 2)


def test_a_picture_in_a_dicom_folder_is_passed_over_and_the_series_is_the_image(tmp_path, capsys):
    write_series(tmp_path / "ct", np.zeros((3, 4, 5), np.uint16))
    sitk.WriteImage(sitk.Image(4, 4, sitk.sitkUInt8), str(tmp_path / "ct" / "preview.png"))
    assert found(tmp_path, "ct") == {"ct": ["ct"]}
    assert "preview.png is passed over" in capsys.readouterr().out
    assert read_channels(find_inputs([str(tmp_path / "ct")], 1)[0], 1)[0].GetSize() == (5, 4, 3)


def test_a_volume_in_a_dicom_folder_is_refused(tmp_path):
    write_series(tmp_path / "ct", np.zeros((3, 4, 5), np.uint16))
    image(tmp_path / "ct" / "label.nii.gz")
    assert "a DICOM series and other images, such as label.nii.gz" in refused(tmp_path, "ct")


@pytest.mark.parametrize("one_by_one", [False, True])
def test_the_slices_of_a_series_are_refused_with_its_folder(tmp_path, one_by_one):
    write_series(tmp_path / "ct", np.zeros((3, 4, 5), np.uint16))
    names = sorted(f"ct/{file.name}" for file in (tmp_path / "ct").iterdir())
    message = refused(tmp_path, *(names if one_by_one else ["ct/IM*"]))
    assert "slices of one DICOM series" in message
    assert f"give the folder: --input {tmp_path / 'ct'}" in message


def test_single_files_of_different_series_are_images(tmp_path):
    for number in (1, 2):
        write_series(
            tmp_path / "xray",
            np.zeros((1, 4, 5), np.uint16),
            uid=f"1.2.{number}",
            prefix=f"X{number}",
        )
    assert len(found(tmp_path, "xray/*")) == 2


def test_folders_are_searched_to_their_bottom(tmp_path):
    image(tmp_path / "in" / "a.nii.gz")
    image(tmp_path / "in" / "p1" / "b.mha")
    image(tmp_path / "in" / ".hidden" / "c.mha")
    write_series(tmp_path / "in" / "p1" / "ct", np.zeros((3, 4, 5), np.uint16))
    (tmp_path / "in" / "p1" / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    assert list(found(tmp_path, "in")) == ["a", "b", "ct"]


def test_earlier_results_below_an_input_folder_are_not_segmented_again(tmp_path, capsys):
    image(tmp_path / "a.nii.gz")
    image(tmp_path / "out" / "b.nii.gz")
    image(tmp_path / "old" / "c.nii.gz")
    (tmp_path / "old" / "predict.json").write_text("{}")
    assert list(found(tmp_path, ".", output=tmp_path / "out")) == ["a"]
    assert "old: passed over" in capsys.readouterr().out
    assert "is the --output folder too" in refused(tmp_path, "out", output=tmp_path / "out")


def test_two_inputs_for_one_result_are_refused_and_one_named_twice_is_one(tmp_path):
    image(tmp_path / "x" / "a.nii.gz")
    image(tmp_path / "y" / "a.mha")
    assert list(found(tmp_path, "x", "x/a.nii.gz", "x/*")) == ["a"]
    message = refused(tmp_path, "x", "y")
    assert "x/a.nii.gz" in message and "y/a.mha would both be written to a.nii.gz" in message


def test_nothing_found_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no image" in refused(tmp_path, "empty")
    assert "no such file or folder" in refused(tmp_path, "*.nii.gz")
