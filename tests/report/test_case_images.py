"""The files that plot-test leaves for figures and the page."""

import numpy as np
import pytest

from mos.errors import BadInput
from mos.report.case_images import (
    CaseImages,
    case_file,
    error_map,
    load_case_images,
    read_record,
    write_case_images,
)


def images(**changes) -> CaseImages:
    """Two slices of 3 x 4, every voxel of label 1, nothing predicted."""
    fields = dict(
        case="b17",
        patient="b",
        image=np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4),
        reference=np.ones((2, 3, 4), np.uint8),
        prediction=np.zeros((2, 3, 4), np.uint8),
        spacing=(5.0, 1.5, 1.25),
        positions=np.array([2.5, 7.5]),
        first_slice=3,
        labels={0: "background", 1: "heart"},
        scored=(1,),
        run="unet-2d-none",
        setting="demo-0",
        epoch=7,
        weights_sha256="w",
        dataset_sha256="d",
        about={"device": "cpu"},
    )
    return CaseImages(**fields | changes)


def test_what_is_written_is_read_back(tmp_path):
    path = write_case_images(tmp_path, images())
    assert path == case_file(tmp_path, "b17") == tmp_path / "test-images" / "b17.npz"
    again = load_case_images(path)
    for name, value in vars(images()).items():
        stored = getattr(again, name)
        if isinstance(value, np.ndarray):
            assert stored.dtype == value.dtype and np.array_equal(stored, value), name
        else:
            assert stored == value, name
    assert read_record(path)["weights_sha256"] == "w"
    assert [file.name for file in path.parent.iterdir()] == ["b17.npz"]


def test_the_same_images_are_the_same_bytes(tmp_path):
    first = write_case_images(tmp_path / "one", images()).read_bytes()
    assert write_case_images(tmp_path / "two", images()).read_bytes() == first


@pytest.mark.parametrize(
    "case", ["a/../../b", ".hidden", "", "Fall äöü", "x" * 400, "a b", "..", "-"]
)
def test_any_case_id_is_one_file_name_and_no_two_are_the_same(tmp_path, case):
    path = case_file(tmp_path, case)
    assert path.parent == tmp_path / "test-images"
    assert len(path.name) < 140 and path.name.isascii() and not path.name.startswith(".")
    assert path != case_file(tmp_path, case + "?")
    assert load_case_images(write_case_images(tmp_path, images(case=case))).case == case


def test_an_error_map_by_eye():
    reference = np.array([[0, 1, 1, 2], [0, 3, 2, 0]], np.uint8)
    prediction = np.array([[1, 1, 0, 1], [0, 3, 3, 3]], np.uint8)
    # extra, correct, missed, confused / background; label 3 does not count
    assert error_map(reference, prediction, (1, 2)).tolist() == [[2, 1, 3, 4], [0, 0, 3, 0]]
    assert error_map(reference, prediction, (0, 1, 2, 3)).tolist() == [[2, 1, 3, 4], [0, 1, 4, 2]]
    assert error_map(reference, prediction, (1,)).tolist() == [[2, 1, 3, 2], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction": np.zeros((2, 3, 5), np.uint8)},
        {"image": np.zeros((2, 3, 4), np.uint8)},
        {"reference": np.ones((2, 3, 4), np.int64)},
        {"positions": np.array([0.0, np.nan])},
        {"spacing": (1.0, 0.0, 1.0)},
    ],
)
def test_arrays_that_do_not_belong_together_are_never_written(tmp_path, changes):
    with pytest.raises(ValueError):
        write_case_images(tmp_path, images(**changes))
    assert not list(tmp_path.rglob("*.npz"))


def test_a_missing_a_torn_and_a_foreign_file_are_named(tmp_path):
    path = case_file(tmp_path, "b17")
    with pytest.raises(BadInput, match="b17.npz: no such file; .*plot-test"):
        load_case_images(path)
    whole = write_case_images(tmp_path, images()).read_bytes()
    for content in (b"", b"PK\x03\x04 cut", whole[: len(whole) // 2], b"text"):
        path.write_bytes(content)
        with pytest.raises(BadInput, match="b17.npz: not readable"):
            load_case_images(path)
    with open(path, "wb") as file:
        np.savez(file, image=np.zeros(3))
    with pytest.raises(BadInput, match="b17.npz: not readable"):
        load_case_images(path)
