"""The parts of pseudo-labelling: who predicts, with what weight, in which order, from where."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from mos.errors import BadInput
from run.baseline.pseudo.chances import case_confidence, dice_of, keep_labels, mean_probabilities
from run.baseline.pseudo.labels import itksnap_labels, slicer_labels
from run.baseline.pseudo.marks import refuse_pseudo_labels
from run.baseline.pseudo.merge import voxel_provenance
from run.baseline.pseudo.plan import next_cases, next_checks
from run.baseline.pseudo.source import file_names
from run.baseline.pseudo.state import held, write_image
from run.baseline.pseudo.take_back import changes, restore_fixed
from run.baseline.pseudo.taught import check_taught
from run.baseline.pseudo.teacher import choose_teachers
from tests.run.pseudo_work import options

SURE = {"a": 0.9, "b": 0.2, "c": 0.5, "d": 0.2}


# Order


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("least_confident", ["b", "d", "c"]),
        ("most_confident", ["a", "c", "b"]),
        ("source", ["a", "b", "c"]),
    ],
)
def test_cases_come_in_the_order_asked_for(order, expected):
    assert next_cases(SURE, 3, order) == expected


def test_a_random_order_is_the_same_each_time_and_depends_on_the_seed():
    many = {str(number): 0.5 for number in range(20)}
    assert next_cases(many, 20, "random", 1) == next_cases(many, 20, "random", 1)
    assert next_cases(many, 20, "random", 1) != next_cases(many, 20, "random", 2)
    assert sorted(next_cases(many, 20, "random", 1)) == sorted(many)


def test_cases_are_looked_at_again_where_the_network_agrees_least_and_once_a_round():
    learned = {"a": {"1": 0.9, "2": 0.7}, "b": {"1": 0.5}, "c": {}, "d": {"1": 0.6}}
    assert next_checks(learned, ["b"], 2) == ["d", "a"]


# Numbers


def test_an_ensemble_is_a_true_weighted_mean():
    a, b = np.full((2, 1, 1, 2), 0.2, np.float32), np.full((2, 1, 1, 2), 0.8, np.float32)
    mean = mean_probabilities([a, b], [0.9, 0.6])
    np.testing.assert_allclose(mean, (0.9 * 0.2 + 0.6 * 0.8) / 1.5, rtol=1e-6)


def test_probabilities_of_ids_that_are_not_put_out_go_to_background():
    chances = np.array([0.3, 0.3, 0.4]).reshape(3, 1, 1, 1)
    kept = keep_labels(chances, (1,))
    np.testing.assert_allclose(kept.ravel(), [0.7, 0.3, 0.0])


def test_confidence_is_the_dice_a_prediction_expects_of_itself():
    # Two voxels predicted at 0.8, one at 0.4 left out: 2 * 1.6 / (2 + 2.0).
    fat = np.array([0.8, 0.8, 0.4, 0.0]).reshape(1, 1, 4)
    assert case_confidence(np.stack([1 - fat, fat]), (1,)) == pytest.approx(0.8)


def test_a_prediction_of_nothing_is_no_confidence_at_all():
    nothing = np.zeros((1, 2, 2))
    assert case_confidence(np.stack([1 - nothing, nothing]), (1,)) == 0.0


def test_labels_in_neither_map_have_no_dice():
    a, b = np.array([1, 1, 0, 3], np.uint8), np.array([1, 0, 0, 3], np.uint8)
    assert dice_of(a, b, (1, 2)) == {"1": pytest.approx(2 / 3, abs=1e-4)}


def test_provenance_of_every_kind_of_voxel():
    original = np.array([2, 2, 0, 0, 0], np.uint8)
    predicted = np.array([2, 2, 1, 0, 1], np.uint8)
    final = np.array([2, 2, 1, 1, 0], np.uint8)
    assert voxel_provenance(original, predicted, final).tolist() == [0, 0, 1, 2, 2]


def test_what_a_person_drew_before_is_put_back_and_grows_nowhere_else():
    original = np.array([2, 2, 0, 0], np.uint8)
    predicted = np.array([2, 2, 1, 0], np.uint8)
    painted = np.array([2, 1, 2, 1], np.uint8)
    ids, put_back = restore_fixed(painted, predicted, original, fixed=[2])
    assert ids.tolist() == [2, 2, 1, 1] and put_back == 2


def test_changes_are_counted_by_label():
    before, after = np.array([1, 1, 0, 2]), np.array([1, 2, 2, 2])
    assert changes(before, after, (1, 2, 3)) == {
        "1": {"added": 0, "removed": 1},
        "2": {"added": 2, "removed": 0},
    }


# Files


def test_case_ids_become_file_names_and_twins_are_refused():
    assert file_names(["a b", "c/d", "..e"]) == ["a_b", "c_d", "e"]
    with pytest.raises(BadInput, match="'a b' and 'a/b' would both be written to a_b.nii.gz"):
        file_names(["a b", "a/b"])


def test_label_names_in_the_words_of_two_programs():
    names = {0: "background", 1: "epicardial fat", 12: 'the "other"'}
    lines = itksnap_labels(names).splitlines()
    assert lines[2].split() == ["0", "0", "0", "0", "0", "0", "0", '"Clear', 'Label"']
    assert lines[3].split()[:7] == ["1", "255", "0", "0", "1", "1", "1"]
    assert lines[4].endswith("\"the 'other'\"")
    assert slicer_labels(names).splitlines()[2] == "1 epicardial_fat 255 0 0 255"


def test_two_processes_do_not_work_in_one_folder(tmp_path):
    with held(tmp_path / "work"):
        with pytest.raises(BadInput, match="another cmd/pseudo-gen is at work there"):
            with held(tmp_path / "work"):
                pass
    with held(tmp_path / "work"):
        pass


@pytest.fixture
def predicted_label(tmp_path):
    import SimpleITK as sitk

    path = tmp_path / "work" / "predicted" / "a.nii.gz"
    write_image(path, sitk.GetImageFromArray(np.zeros((2, 3, 4), np.uint8)))
    return path


@pytest.mark.parametrize("kind", ["main", "zeroshot"])
def test_a_predicted_label_is_recognised_wherever_it_is_copied(predicted_label, tmp_path, kind):
    copy = tmp_path / "elsewhere.nii.gz"
    copy.write_bytes(predicted_label.read_bytes())
    with pytest.raises(BadInput, match="elsewhere.nii.gz: is a label a network wrote"):
        refuse_pseudo_labels(kind, [copy])
    refuse_pseudo_labels("aux", [copy])


def test_a_label_in_a_work_folder_or_beside_its_prediction_record_is_refused(tmp_path):
    (tmp_path / "work" / "accepted").mkdir(parents=True)
    (tmp_path / "work" / "pseudo.json").write_text("{}")
    (tmp_path / "out").mkdir()
    record = {"runs": {}, "images": {"scan": {"done": True}}}
    (tmp_path / "out" / "predict.json").write_text(json.dumps(record))
    for path in ("work/accepted/a.nrrd", "out/scan.nii.gz"):
        with pytest.raises(BadInput, match="is a label a network wrote"):
            refuse_pseudo_labels("main", [tmp_path / path])
    refuse_pseudo_labels("main", [tmp_path / "out" / "drawn.nii.gz", tmp_path / "a.nii.gz"])


def test_build_refuses_predicted_labels(heart, build, predicted_label):
    (heart / "labels" / "patient001_a_seg.nii.gz").write_bytes(predicted_label.read_bytes())
    with pytest.raises(BadInput, match="patient001_a_seg.nii.gz: is a label a network wrote"):
        build()


# Teachers


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Three runs: best by test, best by validation, and one that stores no weights of its best epoch."""
    monkeypatch.setenv("MOS_CHECKPOINT", str(tmp_path))
    scores = {
        "unet-2d-none[a]": [(1, 0.70, 0.99)],
        "unet-2d-none[b]": [(1, 0.60, 0.50), (2, 0.80, 0.51)],
        "unet-2d-none[c]": [(1, 0.75, 0.50), (2, 0.95, 0.50)],
    }
    for name, lines in scores.items():
        run = tmp_path / "baseline-toy" / name
        for epoch, *_ in lines:
            (run / f"epoch-{epoch:04d}").mkdir(parents=True)
            (run / f"epoch-{epoch:04d}" / "weights.safetensors").write_text(name)
        text = "".join(
            json.dumps({"epoch": epoch, "stage": stage, "dice": value}) + "\n"
            for epoch, valid, test in lines
            for stage, value in (("valid", valid), ("test", test))
        )
        (run / "metric.jsonl").write_text(text)
        _record(run)
    (tmp_path / "baseline-toy" / "unet-2d-none[c]" / "epoch-0002" / "weights.safetensors").unlink()
    return tmp_path / "baseline-toy"


def _record(run, **changes):
    record = {
        "options": {},
        "in_channels": 1,
        "label_count": 3,
        "labels": {"0": "background", "1": "fat", "2": "heart"},
        "train_labels": [1, 2],
        "spacing": [5, 2, 2],
        "preparation": {"spacing": [5, 2, 2]},
    }
    (run / "run.json").write_text(json.dumps(record | changes))


def test_validation_chooses_the_teacher_and_never_the_test(runs):
    (teacher,) = choose_teachers(options(setting=("toy",)))
    assert (teacher.name, teacher.epoch) == ("toy/unet-2d-none[b]", 2)
    assert (teacher.valid_dice, teacher.weight) == (0.80, 1.0)


def test_the_only_setting_there_is_needs_no_name_and_of_two_one_must_be_named(runs):
    assert len(choose_teachers(options())) == 1
    (runs.parent / "baseline-other" / "run").mkdir(parents=True)
    _record(runs.parent / "baseline-other" / "run")
    with pytest.raises(BadInput, match="--setting is missing.*there are: other, toy"):
        choose_teachers(options())


def test_a_teacher_below_the_threshold_is_refused_with_what_to_do(runs):
    with pytest.raises(BadInput) as refusal:
        choose_teachers(options(setting=("toy",), pseudo_threshold=0.9))
    text = str(refusal.value)
    assert "no teacher reaches --pseudo_threshold 0.9" in text and "Train longer" in text
    assert "best: toy/unet-2d-none[b] 0.8000" in text and "--pseudo_threshold 0.79" in text


def test_an_ensemble_is_weighted_by_validation_dice(runs):
    teachers = choose_teachers(options(setting=("toy",), ensemble=2))
    assert [teacher.name[-2] for teacher in teachers] == ["b", "c"]
    assert [teacher.weight for teacher in teachers] == pytest.approx([0.8 / 1.55, 0.75 / 1.55])


def test_an_ensemble_with_too_few_good_runs_is_refused(runs):
    with pytest.raises(BadInput, match="no ensemble of 3 reaches.*smaller --ensemble"):
        choose_teachers(options(setting=("toy",), ensemble=3))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": {"0": "background", "1": "fat", "2": "lung"}}, "label ids"),
        ({"in_channels": 2}, "image channels"),
        ({"preparation": {"spacing": [1, 1, 1]}}, "preparation of images"),
    ],
)
def test_runs_that_cannot_be_averaged_are_refused(runs, changes, told):
    _record(runs / "unet-2d-none[c]", **changes)
    with pytest.raises(BadInput, match=rf"\[b\] and .*\[c\] differ in their {told}"):
        choose_teachers(options(setting=("toy",), ensemble=2))


def test_a_run_without_validation_is_refused_when_named_and_passed_over_else(runs):
    (runs / "unet-2d-none[b]" / "metric.jsonl").unlink()
    assert choose_teachers(options(setting=("toy",)))[0].name.endswith("[c]")
    with pytest.raises(BadInput, match="has a validation dice, so nobody knows how good"):
        choose_teachers(options(run=(str(runs / "unet-2d-none[b]"),)))


# Patients


def _sets(state, known=("p1",)):
    main = SimpleNamespace(
        cases={
            "valid3d": [SimpleNamespace(patient="p1")],
            "test3d": [SimpleNamespace(patient="p2")],
        }
    )
    manifest = {
        "pseudo": {"teachers": [{"name": "toy-0/unet"}], "teacher_patients": list(known)},
        "cases": {"train3d": [{"id": "a", "pseudo": {"state": state}}]},
    }
    return main, SimpleNamespace(manifest=manifest)


RUN = SimpleNamespace(train_dataset="toy-1", dataset_train_all=False)


def test_predictions_of_a_teacher_who_knows_the_scored_patients_are_refused():
    main, aux = _sets("predicted")
    with pytest.raises(BadInput, match="toy-0/unet, trained on 1 patients that toy-1 is scored on"):
        check_taught(RUN, main, "more", aux)


def test_corrected_ones_are_a_persons_work_and_warned_of(capsys):
    check_taught(RUN, *_insert(_sets("corrected")))
    assert "WARNING: more: its labels were predicted by toy-0/unet" in capsys.readouterr().err


def test_a_teacher_of_other_patients_is_no_matter(capsys):
    check_taught(RUN, *_insert(_sets("predicted", known=("p9",))))
    assert capsys.readouterr().err == ""


def _insert(sets):
    return sets[0], "more", sets[1]
