"""The phantom's dataset files: made once, split by patient, and silent about what they do not annotate."""

import json
import time

import numpy as np
import pytest
import torch

from mos.data.bundle import content_hash, open_bundle
from mos.data.write import deal_rows
from mos.errors import BadInput
from mos.folders import dataset_path
from run.baseline import phantom
from run.baseline.phantom import PHANTOM_SETS, ensure, phantom_cases, phantom_volume


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("MOS_CACHE", str(folder))
        yield folder


def _patients(name):
    return {patient for patient, _ in phantom_cases(name)}


def test_a_tiny_set_is_made_in_seconds_and_opens(cache):
    start = time.process_time()
    path = ensure("phantom-tiny")
    assert time.process_time() - start < 10
    bundle = open_bundle(path)
    assert bundle.tensors["train3d"].shape[1:] == (2, 4, 48, 48)
    assert all(len(bundle.tensors[key]) for key in ("train2d", "train3d", "valid3d", "test3d"))
    assert bundle.manifest["annotated"] == [1, 2, 3, 4]
    assert not list(path.parent.glob(".*"))


def test_a_file_that_is_there_stays_as_it_is(cache):
    before = ensure("phantom-tiny").stat()
    assert ensure("phantom-tiny").stat().st_mtime_ns == before.st_mtime_ns


def test_made_twice_the_tensors_are_equal(cache, tmp_path, monkeypatch):
    first = torch.load(ensure("phantom-tiny"))
    monkeypatch.setenv("MOS_CACHE", str(tmp_path))
    second = torch.load(ensure("phantom-tiny"))
    assert all(torch.equal(value, second[key]) for key, value in first.items() if key != "manifest")


def test_made_again_at_another_time_it_is_the_same_dataset(cache, tmp_path, monkeypatch):
    first = ensure("phantom-tiny")
    monkeypatch.setenv("MOS_CACHE", str(tmp_path))
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2030, 1, 1, 0, 0, 0, 0, 1, 0)))
    second = ensure("phantom-tiny")
    assert first.read_bytes() != second.read_bytes()
    assert content_hash(open_bundle(first)) == content_hash(open_bundle(second))


def test_each_patient_is_tested_in_one_of_the_five_folds_and_stays_in_one_part():
    tested = []
    for fold in range(5):
        cases = phantom_cases(f"phantom-{fold}")
        parts = deal_rows("main", [patient for patient, _ in cases], fold)
        assert sorted(row for rows in parts.values() for row in rows) == list(range(len(cases)))
        whose = {key: {cases[row][0] for row in rows} for key, rows in parts.items()}
        assert [len(whose[key]) for key in ("train3d", "valid3d", "test3d")] == [28, 4, 8]
        tested += sorted(whose["test3d"])
    assert sorted(tested) == sorted(_patients("phantom-all")) and len(set(tested)) == 40


def test_sets_that_are_no_folds_of_one_another_share_no_patient():
    apart = ["phantom-all"] + [
        name for name, chosen in PHANTOM_SETS.items() if chosen.patients[0] != "phantom"
    ]
    everyone = [patient for name in apart for patient in _patients(name)]
    assert len(everyone) == len(set(everyone))


def test_the_auxiliary_set_shows_no_fat(cache):
    bundle = open_bundle(ensure("phantom-tiny-aux"), "aux")
    assert set(np.unique(bundle.tensors["train3d"][:, 1])) == {0, 2, 3, 4}
    assert bundle.manifest["annotated"] == [2, 3, 4] and 1 not in bundle.label_names


def test_the_unlabelled_set_holds_no_label_but_its_truth_can_be_had(cache):
    bundle = open_bundle(ensure("phantom-tiny-pseudo"), "pseudo")
    assert not bundle.tensors["crop3d"][:, 1].any()
    case = bundle.cases["crop3d"][0]
    truth = phantom_volume("phantom-tiny-pseudo", *case.id.split("_"))
    assert np.array_equal(truth.image, bundle.tensors["crop3d"][0, 0]) and truth.segment.any()


def test_the_zero_shot_set_has_all_labels(cache):
    path = ensure("phantom-tiny-zeroshot")
    assert set(np.unique(open_bundle(path, "zeroshot").tensors["crop3d"][:, 1])) == {0, 1, 2, 3, 4}
    assert "zeroshot3daxis" in torch.load(path)


def test_the_manifest_says_which_version_drew_it(cache):
    case = open_bundle(ensure("phantom-tiny")).manifest["cases"]["test3d"][0]
    assert case["phantom_version"] == phantom.VERSION and case["group"]


def test_names_of_other_sets_are_left_alone_and_unknown_phantoms_refused(cache):
    assert (
        ensure("hippocampus-0") is None and not dataset_path("baseline", "hippocampus-0").exists()
    )
    with pytest.raises(BadInput, match="phantom-7.*phantom-0, phantom-1"):
        ensure("phantom-7")


def test_the_builder_prepares_exported_files_to_the_same_voxels(cache, tmp_path):
    import SimpleITK as sitk

    from mos.io.prepare import Preparation, prepare

    ids = phantom.export_nifti("phantom-tiny", tmp_path, patients=1)
    bundle = open_bundle(ensure("phantom-tiny"))
    image, label = (
        sitk.ReadImage(tmp_path / part / f"{ids[0]}.nii.gz") for part in ("images", "labels")
    )
    found = prepare(image, label, Preparation.from_json(bundle.manifest["preparation"]))
    volume = phantom_volume("phantom-tiny", *ids[0].split("_"))
    assert np.array_equal(found.image[0], volume.image)
    assert np.array_equal(found.label, volume.segment)
    assert np.allclose(found.axis, volume.axis, atol=1e-4)
    records = [case for part in bundle.manifest["cases"].values() for case in part]
    record = next(case for case in records if case["id"] == ids[0])
    for key in ("original_shape", "box", "origin", "intensity", "spacing", "affine"):
        assert np.allclose(record[key], found.case[key], atol=1e-4), key
    assert json.dumps(record)
