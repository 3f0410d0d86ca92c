"""cmd/check says what is in a file, and refuses a broken one with one message."""

import json
import shutil

import pytest
import torch

from mos.errors import BadInput
from run.baseline.cmd.check import main


@pytest.fixture
def file(built_once, tmp_path, monkeypatch):
    """A dataset file of this test's own."""
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache/dataset/baseline").mkdir(parents=True)
    return shutil.copy(built_once, tmp_path / "cache/dataset/baseline" / built_once.name)


def broken(file, change):
    content = torch.load(file, weights_only=True)
    manifest = json.loads(content["manifest"])
    change(content, manifest)
    if "manifest" in content:
        content["manifest"] = json.dumps(manifest)
    torch.save(content, file)
    with pytest.raises(BadInput) as error:
        main([str(file)])
    assert str(file) in str(error.value)
    return str(error.value)


def test_a_good_file_is_described_by_name(file, capsys):
    main(["heart-0"])
    said = capsys.readouterr().out
    for words in (
        "main",
        "spacing 8,1.5,1.5 mm",
        "train3d (",
        "label 1 label 1: ",
        "no patient in two splits; no image in two splits",
        "cmd/build",
    ):
        assert words in said


def test_a_file_without_manifest_is_still_described(file, capsys):
    content = torch.load(file, weights_only=True)
    del content["manifest"]
    torch.save(content, file)
    main([str(file)])
    assert "no manifest" in capsys.readouterr().out


def test_a_truncated_file_is_refused(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BadInput, match="truncated"):
        main([str(file)])


def test_a_foreign_file_is_refused(tmp_path):
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, tmp_path / "model.pt")
    with pytest.raises(BadInput, match=r"model\.pt: key '.*' is missing.*keys found: state_dict"):
        main([str(tmp_path / "model.pt")])


def test_a_missing_file_lists_those_that_are_there(file):
    with pytest.raises(BadInput, match="no such dataset file; there are: heart-0"):
        main(["heart-9"])


def test_a_wrong_shape_is_refused(file):
    def change(content, manifest):
        content["train3d"] = content["train3d"][:, :, 0]

    assert "train3d" in broken(file, change)


def test_a_label_the_manifest_does_not_name_is_refused(file):
    def change(content, manifest):
        content["test3d"][1, -1, 0, 0, 0] = 77

    assert "test3d" in (text := broken(file, change)) and "label id 77" in text


def test_a_patient_in_two_splits_is_refused(file):
    def change(content, manifest):
        manifest["cases"]["test3d"][0]["patient"] = manifest["cases"]["train3d"][0]["patient"]

    assert "is in both" in broken(file, change)


def test_the_same_image_under_two_names_in_two_splits_is_refused(file):
    def change(content, manifest):
        content["test3d"][0] = content["train3d"][0]
        for key in ("box", "spacing"):
            manifest["cases"]["test3d"][0][key] = manifest["cases"]["train3d"][0][key]
        content["test3daxis"][0] = content["train3daxis"][0]

    assert "is the same image as" in broken(file, change)


def test_slices_that_are_not_those_of_the_volumes_are_refused(file):
    def change(content, manifest):
        content["train2d"][2] = 255 - content["train2d"][2]
        content["train2d"][2, -1] = 1

    assert "train2d row 2 is not slice" in broken(file, change)


def test_positions_that_jump_back_are_refused(file):
    def change(content, manifest):
        content["valid3daxis"] = -content["valid3daxis"]

    assert "do not rise" in broken(file, change)


def test_every_broken_file_is_told_of(file, tmp_path):
    (tmp_path / "a.pt").write_bytes(b"x")
    with pytest.raises(BadInput, match=r"(?s)a\.pt.*heart-7\.pt"):
        main([str(tmp_path / "a.pt"), "heart-7", str(file)])
    with pytest.raises(BadInput, match="name a file"):
        main([])
