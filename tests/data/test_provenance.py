"""Where labels came from is stored, checked and hashed, and nothing predicted is ever scored."""

import json

import pytest
import torch

from mos.data.bundle import content_hash, open_bundle
from mos.errors import BadInput


def write(path, *, kind="aux", mark=None, **tensors):
    """Two cases in each 3-D tensor; `mark` goes into the record of the first case of the last tensor."""
    keys = {"aux": ["train3d"], "main": ["train3d", "valid3d", "test3d"], "zeroshot": ["crop3d"]}
    volumes = torch.zeros(2, 2, 3, 4, 4, dtype=torch.uint8)
    whole = [[0, 3], [0, 4], [0, 4]]
    cases = {
        key: [
            {"id": f"{key}{i}", "patient": f"{key}{i}", "spacing": [1, 1, 1], "box": whole}
            for i in range(2)
        ]
        for key in keys[kind]
    }
    cases[keys[kind][-1]][0] |= mark or {}
    content = {key: volumes.clone() for key in keys[kind]}
    content |= {"train2d": volumes[:, :, 0], "manifest": json.dumps({"cases": cases})} | tensors
    torch.save(content, path)
    return path


def provenance(value=0):
    tensor = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    tensor[1, 2, 3, 3] = value
    return tensor


def test_an_auxiliary_file_may_hold_predicted_and_corrected_voxels(tmp_path):
    path = write(tmp_path / "a.pt", train3dprovenance=provenance(2))
    bundle = open_bundle(path, "aux")
    assert torch.equal(bundle.provenance["train3d"], provenance(2))


def test_a_file_without_provenance_has_none(tmp_path):
    assert open_bundle(write(tmp_path / "a.pt"), "aux").provenance == {}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (provenance()[:1], r"is \(1, 3, 4, 4\) torch.uint8, needs \(2, 3, 4, 4\) uint8"),
        (provenance().float(), r"torch.float32, needs \(2, 3, 4, 4\) uint8"),
        ("yes", "is yes, needs"),
        (provenance(3), "row 1 holds 3; provenance is 0 original, 1 predicted or 2 corrected"),
    ],
)
def test_a_provenance_that_is_none_is_refused(tmp_path, wrong, told):
    with pytest.raises(BadInput, match=told):
        open_bundle(write(tmp_path / "a.pt", train3dprovenance=wrong), "aux")


@pytest.mark.parametrize(
    ("kind", "key"), [("main", "test3d"), ("main", "valid3d"), ("zeroshot", "crop3d")]
)
def test_a_predicted_voxel_is_never_scored(tmp_path, kind, key):
    path = write(tmp_path / "a.pt", kind=kind, **{f"{key}provenance": provenance(1)})
    with pytest.raises(BadInput, match=f"{key}: row 1 holds predicted.*must never be scored"):
        open_bundle(path, kind)


def test_original_voxels_may_be_scored(tmp_path):
    path = write(tmp_path / "a.pt", kind="main", test3dprovenance=provenance(0))
    assert open_bundle(path).provenance.keys() == {"test3d"}


@pytest.mark.parametrize("kind", ["main", "zeroshot"])
def test_a_case_marked_as_pseudo_is_never_scored_even_without_provenance(tmp_path, kind):
    path = write(tmp_path / "a.pt", kind=kind, mark={"pseudo": {"state": "corrected"}})
    with pytest.raises(BadInput, match="3d0 has pseudo-labels"):
        open_bundle(path, kind)


def test_a_main_file_may_train_on_marked_cases(tmp_path):
    path = write(tmp_path / "a.pt", kind="main", train3dprovenance=provenance(1))
    assert open_bundle(path).provenance.keys() == {"train3d"}


def test_the_content_hash_covers_provenance(tmp_path):
    paths = [
        write(tmp_path / f"{value}.pt", train3dprovenance=provenance(value)) for value in (1, 2)
    ]
    hashes = {content_hash(open_bundle(path, "aux")) for path in paths}
    assert len(hashes) == 2
