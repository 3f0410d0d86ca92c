"""Folds of one row that were trained differently, runs whose options changed, references cut."""

import json

import pytest

from mos.report import page_flags, table
from mos.report.alike import option_changes
from mos.report.collect import collect
from tests.report.made_up_runs import change_record, write_run

RATE = {"learning_rate": "0.001"}


def notices(root, kind):
    return [n for n in collect(root, "baseline").notices if n.kind == kind]


def flags(root):
    collection = collect(root, "baseline")
    (line,) = table.overview(collection)
    return page_flags.Flags(collection.notices)(line)


@pytest.fixture
def folds(tmp_path):
    return [write_run(tmp_path, "unet-2d-none", setting=f"demo-{fold}") for fold in "01"]


def test_folds_that_differ_in_an_option_are_told_with_both_values_and_flagged(tmp_path, folds):
    change_record(folds[0], options={"learning_rate": "0.001", "loop": "7"})
    change_record(folds[1], options={"learning_rate": "0.005", "loop": "7"})
    (notice,) = notices(tmp_path, "folds differ")
    assert "learning_rate 0.001 (fold 0), 0.005 (fold 1)" in notice.text
    assert "loop" not in notice.text and notice.run == "unet-2d-none"
    assert "folds differ" in flags(tmp_path)


@pytest.mark.parametrize(
    "key, values, said",
    [
        ("identity", ({"norm": "batch"}, {"norm": "instance"}), "identity.norm batch (fold 0), in"),
        ("eval_labels", ([1, 2], [1]), "eval_labels [1, 2] (fold 0), [1] (fold 1)"),
        ("preparation", ({"size": [9]}, {"size": [8]}), "preparation.size [9] (fold 0), [8]"),
        ("schedule_epochs", (6, 12), "schedule_epochs 6 (fold 0), 12 (fold 1)"),
        ("options", ({}, {"loop": "7"}), "loop not recorded (fold 0), 7 (fold 1)"),
    ],
)
def test_folds_are_compared_by_everything_that_shapes_a_training(
    tmp_path, folds, key, values, said
):
    for folder, value in zip(folds, values):
        change_record(folder, **{key: value})
    (notice,) = notices(tmp_path, "folds differ")
    assert said in notice.text


def test_what_must_differ_between_folds_and_where_they_ran_is_no_difference(tmp_path, folds):
    for fold, folder in enumerate(folds):
        own = {"train_dataset": f"demo-{fold}", "model_path": f"runs/demo-{fold}/best"}
        place = {"device": f"cuda:{fold}", "threads": str(fold), "dataset_device": str(fold)}
        text = {"note": f"fold {fold}", "start_epoch": str(fold), "increase_epoch": str(fold)}
        change_record(folder, options=own | place | text)
    assert notices(tmp_path, "folds differ") == []


def test_folds_that_all_start_from_the_weights_of_one_fold_do_not_differ(tmp_path, folds):
    for folder in folds:
        change_record(folder, options={"pretrain_model_path": "ck/baseline-demo-0/x/latest"})
    assert not notices(tmp_path, "folds differ")
    change_record(folds[1], options={"pretrain_model_path": "ck/baseline-demo-7/x/latest"})
    assert notices(tmp_path, "folds differ")


def test_a_fold_without_a_readable_record_is_not_called_different(tmp_path, folds):
    (folds[0] / "run.json").write_text("{")
    assert notices(tmp_path, "folds differ") == []


def test_an_option_that_changed_between_two_starts_is_told_with_its_epoch(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    starts = [
        {"time": "a", "after_epoch": 0, "options": {"learning_rate": "0.001", "threads": "1"}},
        {"time": "b", "after_epoch": 4, "options": {"learning_rate": "0.005", "threads": "2"}},
    ]
    change_record(folder, starts=starts)
    (notice,) = notices(tmp_path, "options changed")
    assert notice.text.endswith("starts: learning_rate 0.001 -> 0.005 after epoch 4")
    assert notice.setting == "demo-0" and "options changed" in flags(tmp_path)


@pytest.mark.parametrize(
    "starts, found",
    [
        (None, []),
        ([{"after_epoch": 0}, {"after_epoch": 3}], []),
        # Without options of its own, the last start has those of run.json.
        ([{"after_epoch": 0, "options": {"bs": "8"}}, {"after_epoch": 3}], ["bs 8 -> 4"]),
        # A start may hold nothing but what it changes.
        (
            [
                {"after_epoch": 0, "options": {"bs": "2", "loop": "1"}},
                {"after_epoch": 3, "options": {"loop": "5"}},
                {"after_epoch": 6, "options": {"bs": "4"}},
            ],
            ["loop 1 -> 5", "bs 2 -> 4"],
        ),
        # Gone back to epoch 0: nothing of the first start is left.
        (
            [
                {"after_epoch": 0, "options": {"bs": "8"}},
                {"after_epoch": 0, "options": {"bs": "4"}},
            ],
            [],
        ),
    ],
)
def test_changes_are_read_from_the_starts_that_still_count(starts, found):
    changes = option_changes({"options": {"bs": "4"}, "starts": starts})
    assert [text.split(" after")[0] for text in changes] == found


def cut(folder, **losses):
    source = json.loads((folder / "run.json").read_text())["dataset"]
    lost = {stage: {"cases": k, "voxels": n} for stage, (k, n) in losses.items()}
    change_record(folder, dataset=source | {"labels_cut": lost})


def test_references_cut_by_cropping_are_told_once_for_a_dataset_and_flagged(tmp_path):
    for name in ("unet-2d-none", "unet-3d-none"):
        folder = write_run(tmp_path, name, parts={"network": "unet", "dims": int(name[5])})
        cut(folder, train=(5, 400), valid=(0, 0), test=(3, 120))
    (notice,) = notices(tmp_path, "labels cut")
    assert notice.text == (
        "references of 3 test cases were cut by cropping (120 voxels), of 5 train cases (400 voxels)"
    )
    assert (notice.setting, notice.run) == ("demo-0", "")
    collection = collect(tmp_path, "baseline")
    for line in table.overview(collection):
        assert "labels cut" in page_flags.Flags(collection.notices)(line)


def test_nothing_cut_and_an_older_record_are_not_told(tmp_path, folds):
    cut(folds[0], train=(0, 0), valid=(0, 0), test=(0, 0))
    assert notices(tmp_path, "labels cut") == []
