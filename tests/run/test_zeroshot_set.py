"""Zero-shot is what its name says: no patient, label or voxel size of a set slips in unseen."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
import torch

from mos.data.bundle import open_bundle
from mos.errors import BadInput
from run.baseline import zeroshot_set
from run.baseline.labels import Labels
from run.baseline.stored import StoredRun
from run.baseline.zeroshot_set import (
    ForeignSet,
    check_foreign,
    labels_to_score,
    predict_as_learnt,
    resampling_note,
    scored_labels,
)
from tests.run.small_file import bundle, cube, options

NAMES = {0: "background", 1: "left", 2: "right"}


def crop_file(folder, *, spacing=(8, 2, 2), patient="new", source=(), names=None, annotated=(1, 2)):
    """A zero-shot file of two volumes of two patients."""
    segment = torch.stack([cube(1) + cube(2, at=5, size=2)] * 2)
    case = {"spacing": list(spacing), "box": [[0, 4], [0, 8], [0, 8]], "source": list(source)}
    manifest = {
        "kind": "zeroshot",
        "labels": {str(k): v for k, v in (names or NAMES).items()},
        "annotated": list(annotated),
        "cases": {
            "crop3d": [case | {"id": f"{patient}_{i}", "patient": f"{patient}{i}"} for i in (0, 1)]
        },
    }
    path = folder / "baseline-elsewhere.pt"
    crop3d = torch.stack([segment * 80, segment], 1)
    torch.save({"crop3d": crop3d, "manifest": json.dumps(manifest)}, path)
    return ForeignSet("elsewhere", open_bundle(path, "zeroshot"), "crop3d", "hash of elsewhere")


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A run on the small file of tests.run.small_file, whose patients are train0, train1, valid0."""
    own = bundle(tmp_path)
    monkeypatch.setattr(zeroshot_set, "open_dataset", lambda _: own)
    record = {
        "dataset": {"name": "toy", "sha256": "hash of toy"},
        "in_channels": 1,
        "spacing": [8.0, 2.0, 2.0],
        "preparation": {"spacing": [8.0, 2.0, 2.0], "interpolation": "linear"},
    }
    labels = Labels(count=3, names=NAMES, train=(1, 2), evaluate=(1, 2))
    return StoredRun(folder=tmp_path, options=options(), record=record, labels=labels)


def test_other_patients_may_be_scored(stored, tmp_path):
    check_foreign(stored, crop_file(tmp_path))


@pytest.mark.parametrize("patient", ["train", "valid"])
def test_patients_of_training_or_validation_are_refused(stored, tmp_path, patient):
    with pytest.raises(BadInput, match=rf"patients of elsewhere .* such as {patient}0"):
        check_foreign(stored, crop_file(tmp_path, patient=patient))


def test_patients_of_one_name_in_two_hospitals_are_two(stored, tmp_path, monkeypatch):
    own = bundle(tmp_path)
    cases = own.manifest["cases"]
    for case in cases["train3d"] + cases["valid3d"]:
        case["source"] = [f"home/{case['id']}.nii"]
    monkeypatch.setattr(zeroshot_set, "open_dataset", lambda _: own)
    check_foreign(stored, crop_file(tmp_path, patient="train", source=["away/train0.nii"]))
    with pytest.raises(BadInput, match="no zero-shot"):
        check_foreign(stored, crop_file(tmp_path, patient="train", source=["home/other.nii"]))


def test_the_runs_own_file_is_refused_whatever_it_is_called(stored, tmp_path):
    foreign = crop_file(tmp_path)
    for changes in ({"name": "toy"}, {"sha256": "hash of toy"}):
        with pytest.raises(BadInput, match="no zero-shot"):
            check_foreign(stored, dataclasses.replace(foreign, **changes))
    aux = stored.record | {"aux_datasets": [{"name": "x", "sha256": "hash of elsewhere"}]}
    with pytest.raises(BadInput, match="no zero-shot"):
        check_foreign(dataclasses.replace(stored, record=aux), foreign)


def test_another_number_of_channels_is_refused(stored, tmp_path):
    other = dataclasses.replace(stored, record=stored.record | {"in_channels": 2})
    with pytest.raises(BadInput, match="reads 2 image channels"):
        check_foreign(other, crop_file(tmp_path))


def test_labels_are_those_annotated_and_learnt(stored, tmp_path):
    assert labels_to_score(stored, crop_file(tmp_path), ()) == (1, 2)
    foreign = crop_file(tmp_path, annotated=(2,))
    assert labels_to_score(stored, foreign, ()) == (2,)
    with pytest.raises(BadInput, match=r"_labels 1: elsewhere annotates \[2\]"):
        labels_to_score(stored, foreign, (1,))
    learnt = dataclasses.replace(stored, labels=dataclasses.replace(stored.labels, train=(1,)))
    with pytest.raises(BadInput, match="no label to score"):
        labels_to_score(learnt, foreign, ())


def test_an_id_that_means_something_else_is_refused_unless_left_out(stored, tmp_path):
    foreign = crop_file(tmp_path, names=NAMES | {2: "liver"})
    with pytest.raises(BadInput, match="id 2 is 'liver' .* and 'right'.*--label_map"):
        labels_to_score(stored, foreign, ())
    assert labels_to_score(stored, foreign, (1,)) == (1,)
    spelt = crop_file(tmp_path, names=NAMES | {2: "Right"})
    assert labels_to_score(stored, spelt, ()) == (1, 2)


def test_only_the_labels_to_score_count_and_all_learnt_ones_are_predicted(stored):
    labels = scored_labels(stored, (2,))
    assert (labels.train, labels.evaluate, labels.main) == ((1, 2), (2,), (2,))


def echo(seen):
    """A prediction that says `left` where the image is bright; it notes the shapes it was asked for."""

    def predict(network, batch):
        seen.append(tuple(batch["image"].shape))
        bright = (batch["image"][:, 0] > 0.15).float()
        return torch.stack([1 - bright, bright], 1)

    return predict


def one_case(segment, spacing, box=((0, 4), (0, 8), (0, 8))):
    image = segment[None, None].float() * 0.3
    return {"image": image, "segment": segment[None], "spacing": [spacing], "box": [box]}


def test_voxels_of_the_learnt_size_go_the_very_path_of_the_own_test(stored):
    seen = []
    batch = one_case(cube(), (8.0, 2.0, 2.0))
    direct = echo([])(None, batch)
    assert torch.equal(predict_as_learnt(stored, echo(seen))(None, batch), direct)
    assert seen == [(1, 1, 4, 8, 8)]


def test_finer_voxels_are_seen_as_learnt_and_answered_on_their_own_grid(stored):
    seen = []
    fine = cube().repeat_interleave(2, 1).repeat_interleave(2, 2)  # 1 mm in the plane, learnt 2 mm
    batch = one_case(fine, (4.0, 1.0, 1.0), box=((0, 4), (0, 16), (0, 16)))
    chances = predict_as_learnt(stored, echo(seen))(None, batch)
    assert seen == [(1, 1, 4, 8, 8)], "2-D: slices keep their distance, pixels get their size"
    assert chances.shape == (1, 2, 4, 16, 16)
    assert torch.equal(chances[0].argmax(0), fine.long())
    seen.clear()
    solid = dataclasses.replace(stored, options=options(dataset_crop_size=(4, 8, 8)))
    predict_as_learnt(solid, echo(seen))(None, batch)
    assert seen == [(1, 1, 2, 8, 8)], "3-D: all three axes"


def test_padding_is_cut_off_before_resampling_and_is_background(stored):
    seen = []
    fine = torch.zeros(4, 20, 20, dtype=torch.uint8)
    fine[:, 2:18, 2:18] = 1
    box = ((0, 4), (2, 18), (2, 18))
    chances = predict_as_learnt(stored, echo(seen))(None, one_case(fine, (8.0, 1.0, 1.0), box))
    assert seen == [(1, 1, 4, 8, 8)]
    assert torch.equal(chances[0].argmax(0), fine.long())
    torch.testing.assert_close(chances.sum(1), torch.ones(1, 4, 20, 20))


def test_the_user_is_told_of_resampling_once_with_both_sizes(stored, tmp_path):
    assert resampling_note(stored, crop_file(tmp_path)) == ""
    said = resampling_note(stored, crop_file(tmp_path, spacing=(4, 1, 1)))
    assert "2 of 2 volumes" in said and "(4,1,1 mm)" in said and "4,2,2 mm" in said


def test_a_set_without_labels_is_refused(tmp_path, monkeypatch):
    nothing = SimpleNamespace(kind="zeroshot", annotated=())
    monkeypatch.setattr(zeroshot_set, "open_bundle", lambda *_: nothing)
    with pytest.raises(BadInput, match="annotates nothing"):
        zeroshot_set.open_foreign("bare")
