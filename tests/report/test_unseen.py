"""Test patients that were seen in training or in choosing are told."""

import json

from mos.report.collect import collect
from mos.report.unseen import test_use_notices as use_notices
from tests.report.made_up_runs import FOLDS, change_record, write_metrics, write_run


def told(root, kind):
    return [n for n in collect(root, "baseline").notices if n.kind == kind]


def test_clean_splits_are_told_nothing(tree):
    collection = collect(tree, "baseline")
    assert use_notices(collection.runs, collection.rows) == []


def test_a_patient_of_validation_and_test_is_named(tmp_path):
    epoch = write_run(tmp_path, "unet-2d-none") / "epoch-0005"
    write_metrics(epoch / "valid-metrics.pt", {"z9": "a", "y1": "y"}, [0.5, 0.5], {})
    (notice,) = told(tmp_path, "patient overlap")
    assert notice.text.startswith("1 patient (a) is in validation and in test")
    assert notice.setting == "demo-0"


def test_a_patient_whose_cases_two_folds_test_is_named(tmp_path):
    write_run(tmp_path, "unet-2d-none")
    epoch = write_run(tmp_path, "unet-2d-none", setting="demo-1") / "epoch-0005"
    cases = dict(zip(FOLDS["1"], ("a", "b", "x", "c")))
    write_metrics(epoch / "test-metrics.pt", cases, [0.5] * 4, {})
    (notice,) = told(tmp_path, "patient overlap")
    assert notice.text.startswith("3 patients (a, b, c) are tested in several folds")


def test_a_zero_shot_set_with_patients_of_the_own_set_is_named(tmp_path):
    epoch = write_run(tmp_path, "unet-2d-none") / "epoch-0005"
    write_metrics(epoch / "zeroshot-metrics.pt", {"x1": "a", "y1": "y"}, [0.5, 0.5], {})
    (notice,) = told(tmp_path, "patient overlap")
    assert notice.text.startswith("1 patient (a) is in a zero-shot set too, by name")


def test_a_run_that_trained_on_everything_is_named(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    options = json.loads((folder / "run.json").read_text())["options"]
    change_record(folder, options=options | {"dataset_train_all": "true"})
    (notice,) = told(tmp_path, "test set use")
    assert (notice.run, notice.setting) == ("unet-2d-none", "demo-0")


def test_a_run_that_began_with_weights_of_another_fold_is_named(tmp_path):
    source = write_run(tmp_path, "unet-2d-none[first]")
    own = write_run(tmp_path, "unet-2d-none")
    other = write_run(tmp_path, "unet-2d-none", setting="demo-1")
    for folder in (own, other):
        change_record(folder, weights_from={"setting": "demo-0", "run": "unet-2d-none[first]"})
    (notice,) = told(tmp_path, "test set use")
    assert (notice.run, notice.setting) == ("unet-2d-none", "demo-1")
    assert "demo-0 / unet-2d-none[first]: trained on patients that this fold tests" in notice.text
    change_record(source, options={"aux_dataset_only": "true"})
    assert not told(tmp_path, "test set use")
    change_record(other, weights_from={"setting": "demo-0", "run": "gone"})
    (notice,) = told(tmp_path, "test set use")
    assert "unless they saw auxiliary data alone" in notice.text
