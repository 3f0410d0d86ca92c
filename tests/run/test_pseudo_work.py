"""Pseudo-labels from prediction to dataset file: what is kept, refused, taken, merged."""

import json

import nibabel
import numpy as np
import pytest
import torch

from mos.data.bundle import open_bundle
from mos.errors import BadInput
from mos.folders import dataset_path
from run.baseline.pseudo.generate import generate
from run.baseline.pseudo.hand_out import hand_out
from run.baseline.pseudo.merge import merge
from run.baseline.pseudo.state import read_work
from run.baseline.pseudo.status import describe, next_step
from run.baseline.pseudo.steps import originals
from run.baseline.pseudo.take_back import take_back
from tests.run.pseudo_work import (
    CASES,
    Teacher,
    begin,
    fat,
    heart,
    options,
    original_affine,
    paint,
    teach,
    write_dataset,
)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Four cases whose heart (id 2) is drawn and whose fat (id 1) is predicted."""
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    write_dataset(label=heart())
    teach(monkeypatch, Teacher({case: fat() for case in CASES}))
    begun = begin(tmp_path)
    generate(options(), begun)
    return begun


def load(path):
    """A NIfTI file as (d, h, w)."""
    return np.asarray(nibabel.load(path).dataobj).T


def label_file(work, case, number=1):
    return work.batch_folder(number) / f"{case}_label.nii.gz"


def add_fat(array):
    array[2:6, 5, 0] = 1  # x, y, z
    return array


def correct(work, *cases, batch=1):
    for case in cases:
        paint(label_file(work, case, batch), add_fat)
    take_back(options(), work, originals(work))


def test_files_show_the_real_voxels_at_their_true_place(work):
    image = nibabel.load(work.path("images", "b"))
    assert image.shape == (8, 8, 2)  # x, y, z without the two slices of padding
    # Stored voxel (1, 0, 0) of (d, h, w) is voxel x = y = 1, z = 0 of the scan; NIfTI counts to right and front.
    there = np.diag([-1, -1, 1, 1]) @ original_affine(1) @ [1, 1, 0, 1]
    np.testing.assert_allclose(image.affine @ [0, 0, 0, 1], there, atol=1e-4)
    stored = torch.load(dataset_path("baseline", "toy"))["train3d"][1, 0, 1:3]
    np.testing.assert_array_equal(load(work.path("images", "b")), stored)
    for part in ("predicted", "confidence"):
        np.testing.assert_allclose(nibabel.load(work.path(part, "b")).affine, image.affine)


def test_a_voxel_that_was_drawn_keeps_its_label_and_is_certain(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    write_dataset(label=heart())
    teach(monkeypatch, Teacher({case: np.ones_like(heart()) for case in CASES}))
    work = begin(tmp_path)
    generate(options(), work)
    predicted, confidence = load(work.path("predicted", "a")), load(work.path("confidence", "a"))
    drawn = heart()[1:3] > 0
    assert (predicted[drawn] == 2).all() and (predicted[~drawn] == 1).all()
    assert (confidence[drawn] == 1).all() and confidence[~drawn] == pytest.approx(0.8)


def test_only_what_is_not_drawn_already_is_predicted_unless_asked(work):
    assert work.outputs == (1,) and work.state["labels"] == {
        "0": "background",
        "1": "fat",
        "2": "heart",
    }


def test_every_channel_is_shown_and_another_number_of_them_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    path = write_dataset(channels=2)
    teacher = Teacher({case: fat() for case in CASES})
    teach(monkeypatch, teacher)
    with pytest.raises(BadInput, match="toy: has 2 image channels, .* was trained on 1"):
        generate(options(), begin(tmp_path))
    teacher.stored.record["in_channels"] = 2
    work = begin(tmp_path)
    generate(options(), work)
    hand_out(options(batch=1), work)
    stored = torch.load(path)["train3d"][0, :, 1:3]
    for channel, name in enumerate(("a_image.nii.gz", "a_image_0001.nii.gz")):
        np.testing.assert_array_equal(load(work.batch_folder(1) / name), stored[channel])
    bundle = open_bundle(merge(options(include_predicted=True), work), "aux")
    assert torch.equal(bundle.tensors["train3d"][0, :2, 1:3], stored[:2])


def test_a_name_that_differs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    write_dataset(label=heart())
    teacher = Teacher({})
    teacher.stored.labels.names = {1: "fat", 2: "lung"}
    teach(monkeypatch, teacher)
    with pytest.raises(BadInput, match="label 2 is 'heart' in the source and 'lung'"):
        generate(options(pseudo_output_labels=(1, 2)), begin(tmp_path))


def test_an_id_nobody_learnt_is_refused(work):
    with pytest.raises(BadInput, match="id 7 was not learnt.*it learnt 1-2, annotated are 2"):
        generate(options(pseudo_output_labels=(7,)), work)


def test_the_same_teacher_again_has_nothing_to_do(work, capsys):
    before = work.path("predicted", "a").stat().st_mtime_ns
    generate(options(), work)
    assert "nothing to predict" in capsys.readouterr().out
    assert work.path("predicted", "a").stat().st_mtime_ns == before and work.round == 1


def test_batches_go_on_where_the_last_one_stopped(work):
    hand_out(options(batch=3), work)
    correct(work, "a", "b", "c")
    again = read_work(work.folder)
    hand_out(options(batch=3), again)
    assert [batch["new"] for batch in again.state["batches"]] == [["a", "b", "c"], ["d"]]
    names = sorted(path.name for path in again.batch_folder(2).iterdir())
    assert names == [
        "README.txt",
        "d_confidence.nii.gz",
        "d_image.nii.gz",
        "d_label.nii.gz",
        "labels_itksnap.txt",
        "labels_slicer.ctbl",
    ]
    text = (again.batch_folder(2) / "README.txt").read_text()
    assert "kept whatever you paint over them: 2 heart" in text and "1  fat" in text


def test_a_batch_is_not_handed_out_twice(work):
    hand_out(options(batch=2), work)
    with pytest.raises(BadInput, match="still out are batch-001: a, b.*--another"):
        hand_out(options(batch=2), work)
    hand_out(options(batch=2, another=True), work)
    assert work.state["batches"][1]["new"] == ["c", "d"]


def test_an_interrupted_hand_out_is_completed_and_keeps_what_was_edited(work):
    hand_out(options(batch=2), work)
    paint(label_file(work, "a"), add_fat)
    edited = label_file(work, "a").read_bytes()
    label_file(work, "b").unlink()
    work.state["batches"][0]["complete"] = False
    hand_out(options(batch=2), work)
    assert label_file(work, "b").exists() and label_file(work, "a").read_bytes() == edited
    assert len(work.state["batches"]) == 1


def test_nothing_left_to_hand_out_is_said(work):
    hand_out(options(), work)
    with pytest.raises(BadInput, match="nothing left to hand out"):
        hand_out(options(another=True), work)


def test_a_correction_tells_what_changed(work, capsys):
    hand_out(options(batch=2), work)
    correct(work, "a")
    out = capsys.readouterr().out
    # 8 voxels predicted, 4 more painted: 2 * 8 / (8 + 12).
    assert (
        "a: fat +4 -0 voxels, dice 0.8000" in out
        and "unchanged since they were predicted: b" in out
    )
    assert work.status_of("a") == "corrected" and work.status_of("b") == "out"
    assert work.cases["a"]["taken"]["changed"] == {"1": {"added": 4, "removed": 0}}


def test_an_unchanged_file_is_taken_when_somebody_says_it_is_right(work):
    hand_out(options(batch=2), work)
    take_back(options(), work, originals(work), ask=lambda text: "a is as it was" in text)
    assert work.having("corrected") == ["a"]
    take_back(options(accept_unchanged=True), work, originals(work))
    assert work.having("corrected") == ["a", "b"]


def test_wrong_files_are_refused_by_name_and_the_good_ones_taken(work):
    hand_out(options(batch=4), work)
    paint(label_file(work, "a"), add_fat)
    paint(label_file(work, "b"), add_fat, shift=1.0)
    paint(label_file(work, "c"), lambda array: array + np.uint8(3) * (array == 1))
    label_file(work, "d").unlink()
    with pytest.raises(BadInput) as refusal:
        take_back(options(), work, originals(work))
    text = str(refusal.value)
    assert f"{label_file(work, 'b')}: lies on another grid" in text
    assert (
        f"{label_file(work, 'c')}: holds label id 4 (8 voxels); known here are 0 and 1, 2" in text
    )
    assert f"{label_file(work, 'd')}: is missing" in text
    assert text.endswith("3 refused, the other 1 taken; mend and repeat")
    assert work.having("corrected") == ["a"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda array: array[:, :, :1], "lies on another grid"),
        (lambda array: array + 0.5, "label value 2.5 is no whole number"),
    ],
)
def test_another_shape_and_halves_are_refused(work, change, told):
    hand_out(options(batch=1), work)
    paint(label_file(work, "a"), change, dtype=np.float32)
    with pytest.raises(BadInput, match=told) as refusal:
        take_back(options(), work, originals(work))
    assert str(label_file(work, "a")) in str(refusal.value) and not work.having("corrected")


def test_a_file_is_taken_once_and_again_when_it_was_edited_again(work, capsys):
    hand_out(options(batch=1), work)
    correct(work, "a")
    first = work.path("accepted", "a").stat().st_mtime_ns
    take_back(options(), work, originals(work))
    assert work.path("accepted", "a").stat().st_mtime_ns == first
    paint(label_file(work, "a"), lambda array: 0 * array)
    take_back(options(), work, originals(work))
    assert work.cases["a"]["taken"]["changed"] == {"1": {"added": 0, "removed": 8}}


def test_corrected_files_may_come_from_a_folder_in_another_format_and_order_of_axes(work, tmp_path):
    import SimpleITK as sitk

    image = sitk.ReadImage(str(work.path("predicted", "c")))
    array = sitk.GetArrayFromImage(image)
    array[0, 5, 2:6] = 1
    edited = sitk.GetImageFromArray(array)
    edited.CopyInformation(image)
    folder = tmp_path / "from slicer"
    folder.mkdir()
    flipped = sitk.Flip(sitk.PermuteAxes(edited, [2, 0, 1]), [True, False, True])
    sitk.WriteImage(flipped, str(folder / "c_label.nrrd"))
    sitk.WriteImage(image, str(folder / "stranger.nii.gz"))
    with pytest.raises(BadInput, match="stranger.nii.gz: belongs to no case"):
        take_back(options(corrected=str(folder)), work, originals(work))
    assert work.having("corrected") == ["c"]
    np.testing.assert_array_equal(load(work.path("accepted", "c")), array)


def test_an_original_label_stays_whatever_is_painted(work, capsys):
    hand_out(options(batch=1), work)

    def vandal(array):
        array[:2, :2, :] = 0  # wipes out the heart that was drawn, x and y 0 to 1
        array[7, 7, 0] = 2  # draws some elsewhere
        return array

    paint(label_file(work, "a"), vandal)
    take_back(options(), work, originals(work))
    assert "9 voxels of labels drawn before" in capsys.readouterr().out
    np.testing.assert_array_equal(load(work.path("accepted", "a")), (heart() + fat())[1:3])


def test_merging_keeps_originals_and_says_where_each_voxel_came_from(work):
    hand_out(options(batch=2), work)
    correct(work, "a", "b")
    path = merge(options(), work)
    bundle = open_bundle(path, "aux")
    assert [case.id for case in bundle.cases["train3d"]] == ["a", "b"]
    assert bundle.annotated == (1, 2) and bundle.label_names[1] == "fat"
    segment, provenance = bundle.tensors["train3d"][0, 1], bundle.provenance["train3d"][0]
    corrected = np.zeros((4, 8, 8), bool)
    corrected[1, 5, 2:6] = True
    np.testing.assert_array_equal(segment, heart() + fat() + corrected)
    expected = np.where(corrected, 2, 1)
    expected[heart() > 0], expected[[0, 3]] = 0, 0
    np.testing.assert_array_equal(provenance, expected)
    case = bundle.manifest["cases"]["train3d"][0]
    assert case["pseudo"]["state"] == "corrected"
    assert case["pseudo"]["teachers"] == ["toy/unet-2d-none epoch 3"]
    assert bundle.manifest["pseudo"]["teacher_patients"] == ["patient z"]
    assert bundle.slices == ((0, 1), (0, 2), (1, 1), (1, 2))


def test_predicted_cases_are_merged_only_when_asked(work):
    with pytest.raises(BadInput, match="no case is corrected yet.*--include_predicted"):
        merge(options(), work)
    bundle = open_bundle(merge(options(include_predicted=True), work), "aux")
    states = {case["pseudo"]["state"] for case in bundle.manifest["cases"]["train3d"]}
    assert len(bundle.cases["train3d"]) == 4 and states == {"predicted"}
    assert int(bundle.provenance["train3d"].max()) == 1


def test_merging_replaces_its_own_file_and_no_other(work):
    merge(options(include_predicted=True), work)
    merge(options(include_predicted=True), work)
    before = dataset_path("baseline", "toy").read_bytes()
    with pytest.raises(BadInput, match="exists and was not made by this work"):
        merge(options(include_predicted=True, output_dataset="toy"), work)
    assert dataset_path("baseline", "toy").read_bytes() == before


def test_a_changed_dataset_is_noticed(work):
    write_dataset(label=np.roll(heart(), 1, axis=1))
    with pytest.raises(BadInput, match="has changed since its pseudo-labels were begun"):
        merge(options(include_predicted=True), work)


def test_a_second_round_leaves_corrected_and_handed_out_cases_alone(work, monkeypatch, capsys):
    hand_out(options(batch=2), work)
    correct(work, "a")
    out, kept = work.path("predicted", "b").read_bytes(), work.path("accepted", "a").read_bytes()
    teach(monkeypatch, Teacher({case: fat(5) for case in CASES}, number=2))
    generate(options(recheck=1), work)
    said = capsys.readouterr().out
    assert "round 2" in said and "2 to predict, 2 corrected or handed out stay" in said
    assert work.path("predicted", "b").read_bytes() == out
    assert work.path("accepted", "a").read_bytes() == kept
    assert (load(work.path("predicted", "d"))[:, 5, 2:6] == 1).all()
    # The second teacher says row 5, which was painted in one slice: 2 * 4 / (8 + 12).
    assert work.cases["a"]["learned"] == {"round": 2, "dice": {"1": 0.4}}
    assert "0.8000 by the teacher they were handed out with, 0.4000 by this one" in said


def test_a_case_that_is_looked_at_again_comes_with_both_labels(work, monkeypatch):
    hand_out(options(batch=2), work)
    correct(work, "a", "b")
    teach(monkeypatch, Teacher({case: fat(5) for case in CASES}, number=2))
    generate(options(recheck=1), work)
    hand_out(options(batch=1, recheck=1), work)
    batch = work.state["batches"][1]
    assert (batch["new"], batch["check"]) == (["c"], ["a"])
    np.testing.assert_array_equal(load(label_file(work, "a", 2)), load(work.path("accepted", "a")))
    seen = load(work.batch_folder(2) / "a_prediction.nii.gz")
    assert (seen[:, 5, 2:6] == 1).all()
    paint(label_file(work, "c", 2), lambda array: 0 * array)
    take_back(options(), work, originals(work))
    assert batch["returned"].keys() == {"a", "c"}  # nobody had to change what was right before
    assert work.cases["a"]["taken"]["changed"] == {"1": {"added": 4, "removed": 0}}


def test_the_next_step_follows_from_the_state(work, monkeypatch):
    steps = [next_step(work)]
    hand_out(options(), work)
    steps.append(next_step(work))
    correct(work, *CASES)
    steps.append(next_step(work))
    merge(options(), work)
    steps.append(next_step(work))
    assert steps == ["hand_out", "take_back", "merge", "retrain"]
    text = "\n".join(describe(work))
    assert "4 corrected" in text and "batch-001 4 cases, all back" in text
    assert "corrected labels agree by dice 0.8000" in text


def test_a_broken_state_is_refused_and_left_as_it_is(work):
    path = work.folder / "pseudo.json"
    state = json.loads(path.read_text()) | {"cases": []}
    path.write_text(json.dumps(state))
    with pytest.raises(BadInput, match="pseudo.json: cannot be read .'cases' needs to be a dict"):
        read_work(work.folder)
