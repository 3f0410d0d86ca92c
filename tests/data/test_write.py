"""A dataset file holds what its manifest says, opens by the documented contract, and is whole or absent."""

import errno
import json

import numpy as np
import pytest
import torch

from mos.data.bundle import open_bundle
from mos.data.split import split_patients
from mos.data.write import PreparedSet, deal_rows, write_bundle
from mos.errors import BadInput


def case(name: str) -> dict:
    return {
        "id": name,
        "patient": name[:2],
        "spacing": [10.0, 1.5, 1.5],
        "box": [[0, 3], [0, 8], [0, 8]],
    }


def made(path, kind="main", parts=None):
    volumes = np.random.default_rng(0).integers(0, 255, (4, 2, 3, 8, 8)).astype(np.uint8)
    volumes[:, -1] = 0
    volumes[0, -1, 1, 2:4, 2:4] = 1
    volumes[2, -1, :2, 5, 5] = 2
    prepared = PreparedSet(
        task="baseline",
        kind=kind,
        volumes=volumes,
        axes=np.tile(np.arange(3, dtype=np.float32) * 10, (4, 1)),
        cases=[case(name) for name in ("p1-a", "p2-a", "p1-b", "p3-a")],
        labels={0: "background", 1: "one", 2: "two"},
        preparation={"spacing": [10, 1.5, 1.5]},
    )
    parts = parts or {"train3d": [0, 2], "valid3d": [1], "test3d": [3]}
    write_bundle(path, prepared, parts, name="x-0", command=["build"])
    return volumes


def test_what_was_written_opens_with_its_cases_in_order(tmp_path):
    volumes = made(tmp_path / "x.pt")
    bundle = open_bundle(tmp_path / "x.pt")
    assert np.array_equal(bundle.tensors["train3d"].numpy(), volumes[[0, 2]])
    assert [c.id for c in bundle.cases["train3d"]] == ["p1-a", "p1-b"]
    assert bundle.label_names == {0: "background", 1: "one", 2: "two"}
    assert bundle.manifest["annotated"] == [1, 2] and bundle.manifest["spacing"] == [10, 1.5, 1.5]


def test_train2d_is_the_slices_of_train3d_that_hold_a_label(tmp_path):
    volumes = made(tmp_path / "x.pt")
    bundle = open_bundle(tmp_path / "x.pt")
    assert list(bundle.slices) == [(0, 1), (1, 0), (1, 1)]
    assert np.array_equal(bundle.tensors["train2d"][2].numpy(), volumes[2, :, 1])


def test_a_part_takes_only_its_own_room_in_the_file(tmp_path):
    made(tmp_path / "x.pt")
    content = torch.load(tmp_path / "x.pt", weights_only=True, mmap=True)
    assert content["valid3d"].untyped_storage().nbytes() == content["valid3d"].numel()


@pytest.mark.parametrize(
    ("kind", "key", "axis"),
    [("aux", "train3d", "train3daxis"), ("zeroshot", "crop3d", "zeroshot3daxis")]
    + [("pseudo", "crop3d", "crop3daxis")],
)
def test_every_other_kind_has_its_own_keys(tmp_path, kind, key, axis):
    made(tmp_path / "x.pt", kind, {key: [0, 1, 2, 3]})
    content = torch.load(tmp_path / "x.pt", weights_only=True)
    assert content[key].shape == (4, 2, 3, 8, 8) and content[axis].shape == (4, 3)
    assert ("train2d" in content) == (kind == "aux")
    assert open_bundle(tmp_path / "x.pt", kind).kind == kind


def test_a_set_without_validation_and_test_is_written_with_no_rows(tmp_path):
    made(tmp_path / "x.pt", parts={"train3d": [0, 1, 2, 3], "valid3d": [], "test3d": []})
    assert open_bundle(tmp_path / "x.pt").tensors["test3d"].shape == (0, 2, 3, 8, 8)


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(tmp_path, monkeypatch):
    made(tmp_path / "x.pt")
    before = (tmp_path / "x.pt").read_bytes()

    def full(content, path):
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(BadInput, match="the disk is full"):
        made(tmp_path / "x.pt")
    assert [f.name for f in tmp_path.iterdir()] == ["x.pt"]
    assert (tmp_path / "x.pt").read_bytes() == before


def test_what_killed_processes_left_goes_before_a_file_is_written(tmp_path):
    (tmp_path / ".tmp-999999999-y.pt").write_bytes(b"half of it")
    made(tmp_path / "x.pt")
    assert [f.name for f in tmp_path.iterdir()] == ["x.pt"]


def test_every_row_of_a_fold_goes_where_its_patient_goes():
    patients = [f"p{number // 2}" for number in range(20)]
    parts = deal_rows("main", patients, 3)
    split = split_patients(patients, 3)
    assert sorted(row for rows in parts.values() for row in rows) == list(range(20))
    for part in ("train", "valid", "test"):
        assert {patients[row] for row in parts[f"{part}3d"]} == set(split[part])


def test_without_a_fold_one_tensor_takes_all_rows():
    assert deal_rows("main", "abc", None) == {"train3d": [0, 1, 2], "valid3d": [], "test3d": []}
    assert deal_rows("aux", "abc", None) == {"train3d": [0, 1, 2]}
    assert deal_rows("pseudo", "abc", None) == {"crop3d": [0, 1, 2]}


def test_what_cannot_fit_is_refused_before_writing(tmp_path, monkeypatch):
    import os
    from types import SimpleNamespace

    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=512))
    with pytest.raises(BadInput, match="GB left.*MOS_CACHE"):
        made(tmp_path / "x.pt")


@pytest.mark.parametrize("count", [5, 6, 7, 8, 9, 10, 11, 15, 208])
def test_each_patient_is_tested_once_and_no_part_is_empty(count):
    names = [f"patient{i:03d}" for i in range(count)]
    folds = [split_patients(names, fold) for fold in range(5)]
    assert sorted(name for fold in folds for name in fold["test"]) == names
    for fold in folds:
        assert sorted(fold["train"] + fold["valid"] + fold["test"]) == names
        assert fold["train"] and fold["valid"] and fold["test"]


def test_two_hundred_patients_are_split_seven_to_one_to_two():
    sizes = {k: len(v) for k, v in split_patients(map(str, range(200)), 3).items()}
    assert sizes == {"train": 140, "valid": 20, "test": 40}


def test_a_split_depends_on_names_and_seed_alone():
    names = [f"p{i}" for i in range(20)]
    assert split_patients(names, 0) == split_patients([*reversed(names), "p3"], 0)
    assert split_patients(names, 0) != split_patients(names, 0, seed=1)


def test_four_patients_are_too_few():
    with pytest.raises(BadInput, match="4 patients found.*at least 5.*--kind aux"):
        split_patients(["a", "b", "c", "d"], 0)


def test_a_manifest_is_strict_json(tmp_path):
    made(tmp_path / "x.pt")
    text = torch.load(tmp_path / "x.pt", weights_only=True)["manifest"]
    assert json.loads(text)["created"]["command"] == ["build"]


def test_another_count_may_validate_and_the_tested_stay_the_same():
    names = [f"p{number}" for number in range(75)]
    for fold in range(5):
        usual, small = split_patients(names, fold), split_patients(names, fold, valid=4)
        assert small["test"] == usual["test"] and len(small["test"]) == 15
        assert len(small["valid"]) == 4 and len(small["train"]) == 56
        assert sorted(sum(small.values(), [])) == sorted(names)
    for count in (0, 60):
        with pytest.raises(BadInput, match=f"{count} cannot validate; needs 1 to 59"):
            split_patients(names, 0, valid=count)
