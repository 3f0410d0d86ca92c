"""What is found in a tree of runs, and what a damaged one does to it."""

import json
import math
import shutil

import pytest
import torch
from tests.report.made_up_runs import FOLDS, change_record, write_metrics, write_run

from mos.report.collect import collect
from mos.report.collection import columns_of
from mos.report.run_record import parse_run_name, split_setting


def kinds(collection, run=None, setting=None):
    return {
        n.kind
        for n in collection.notices
        if run in (None, n.run) and (setting is None or n.setting == setting)
    }


@pytest.mark.parametrize(
    "name, parts",
    [
        ("unet-2d-none", ("unet", "", "2d", "none", "")),
        ("unet[s]-2d-acdc,mnms[pretrain]", ("unet", "s", "2d", "acdc,mnms", "[pretrain]")),
        ("swin-unetr-3d-my-set", ("swin-unetr", "", "3d", "my-set", "")),
        ("an old folder", ("an old folder", "", "", "", "")),
    ],
)
def test_a_run_name_is_split_by_its_grammar(name, parts):
    assert tuple(parse_run_name(name).values()) == parts


@pytest.mark.parametrize(
    "setting, parts",
    [
        ("hippocampus-0", ("hippocampus", "0")),
        ("hippocampus-all", ("hippocampus-all", "")),
        ("covid-19", ("covid-19", "")),
    ],
)
def test_a_setting_is_a_dataset_and_a_fold(setting, parts):
    assert split_setting(setting) == parts


def test_every_case_and_label_of_the_best_epoch_becomes_a_row(tree):
    rows = collect(tree, "baseline").rows
    assert list(rows.columns) == columns_of("baseline")
    assert len(rows) == 7 * 4 * 2  # seven readable files, four cases, two labels
    assert set(rows["epoch"]) == {5}
    one = rows[(rows["run"] == "unet-2d-none") & (rows["case"] == "a2")].iloc[1]
    assert (one["state"], one["dice"], one["hd"], one["patient"]) == ("missed", 0, math.inf, "a")
    assert (one["label"], one["label_name"], one["fold"]) == (2, "scar <b>", "0")
    assert set(rows["state"]) == {"scored", "missed", "invented", "absent"}


def test_run_json_decides_the_parts_of_a_name(tmp_path):
    parts = {"network": "unet", "tag": "", "dims": 3, "aux": "none", "postfix": "-lr1e-3"}
    write_run(tmp_path, "unet-3d-none-lr1e-3", parts=parts)
    (run,) = collect(tmp_path, "baseline").runs
    assert (run.network, run.dims, run.aux, run.postfix) == ("unet", "3d", "none", "-lr1e-3")


def test_test_scores_never_choose_the_epoch(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")  # validation is best at 5, test at 6
    (folder / "best").unlink()
    collection = collect(tmp_path, "baseline")
    assert collection.runs[0].epoch == 5
    assert "best" in kinds(collection)


def test_a_best_link_that_validation_does_not_back_is_told(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    (folder / "best").unlink()
    (folder / "best").symlink_to("epoch-0002")
    collection = collect(tmp_path, "baseline")
    (notice,) = [n for n in collection.notices if n.kind == "best"]
    assert "epoch 2" in notice.text and "epoch 5" in notice.text


def test_a_run_without_validation_shows_its_last_epoch_and_says_so(tmp_path):
    write_run(tmp_path, "unet-2d-none", validated=False)
    collection = collect(tmp_path, "baseline")
    assert collection.runs[0].epoch == 6
    assert "no validation" in kinds(collection)


def test_a_fold_of_everything_links_its_last_epoch_and_is_not_called_best(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none", validated=False)
    (folder / "best").symlink_to("epoch-0006")  # as the engine does without validation
    collection = collect(tmp_path, "baseline")
    assert collection.runs[0].epoch == 6
    assert collection.runs[0].chosen_by == "last epoch, no validation"
    assert "no validation" in kinds(collection) and "best" not in kinds(collection)


def test_a_dataset_without_test_cases_is_told_as_such(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    for path in folder.glob("epoch-*/test-metrics.pt"):
        path.unlink()
    change_record(folder, dataset={"cases": {"train": 9, "valid": 0, "test": 0}})
    (notice,) = [n for n in collect(tmp_path, "baseline").notices if n.kind == "no scores"]
    assert notice.text == "its dataset has no test cases"


def test_a_run_whose_log_is_lost_is_still_the_best_by_its_validation_file(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    (folder / "metric.jsonl").unlink()
    write_metrics(folder / "epoch-0005" / "valid-metrics.pt", FOLDS["1"], [0.5] * 4, {})
    (run,) = collect(tmp_path, "baseline").runs
    assert (run.epoch, run.chosen_by) == (5, "best by validation")


def test_a_torn_last_line_is_a_run_still_writing_and_a_torn_middle_is_told(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    log = folder / "metric.jsonl"
    log.write_text(log.read_text() + '{"epoch": 7, "st')
    assert "broken" not in kinds(collect(tmp_path, "baseline"))
    log.write_text('{"epoch": 0, "st\n' + log.read_text())
    assert "broken" in kinds(collect(tmp_path, "baseline"))


def test_a_broken_and_unfinished_run_is_told_and_the_others_are_read(tree):
    collection = collect(tree, "baseline")
    assert kinds(collection, "resunet-3d-none", "demo-1") == {
        "broken",
        "unfinished",
        "no validation",
        "no scores",
    }
    assert len(collection.runs) == 8


@pytest.mark.parametrize("text", ["", "{", "[1]", "\0\0"])
def test_a_run_json_cut_off_leaves_the_scores_readable(tmp_path, text):
    folder = write_run(tmp_path, "unet-2d-none")
    (folder / "run.json").write_text(text)
    collection = collect(tmp_path, "baseline")
    assert "broken" in kinds(collection)
    assert set(collection.rows["network"]) == {"unet"} and len(collection.rows) == 8


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda c: c.pop("raw_tp"), "invented structures are counted as missed"),
        (lambda c: c.update(dice=torch.zeros(4)), "not the mean"),
        (lambda c: c.pop("raw_dice"), "no raw_dice"),
        (lambda c: c.update(case=["x"]), "1 cases for 4 rows"),
        (lambda c: c.update(raw_iou=torch.zeros(2, 2)), "raw_iou is (2, 2)"),
    ],
)
def test_a_metric_file_that_lacks_something_is_named(tmp_path, damage, said):
    folder = write_run(tmp_path, "unet-2d-none")
    path = folder / "epoch-0005" / "test-metrics.pt"
    content = torch.load(path)
    damage(content)
    torch.save(content, path)
    (notice,) = [n for n in collect(tmp_path, "baseline").notices if n.kind == "broken"]
    assert said in notice.text and "epoch-0005/test-metrics.pt" in notice.text


def test_a_file_from_before_a_metric_is_told_with_the_command_that_fills_it(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    path = folder / "epoch-0005" / "test-metrics.pt"
    content = torch.load(path)
    for key in ("nsd", "raw_nsd", "recall", "raw_recall"):
        content.pop(key)
    torch.save(content, path)
    collection = collect(tmp_path, "baseline")
    (notice,) = [n for n in collection.notices if n.kind == "re-evaluate"]
    assert "no nsd, recall of some scores" in notice.text
    assert "cmd/re_eval complete" in notice.text
    assert collection.rows["nsd"].isna().all() and collection.rows["dice"].notna().all()
    assert "broken" not in kinds(collection)


def test_a_label_outside_the_list_is_not_scored_and_an_absent_one_is(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none", special={(c, 1): "absent" for c in FOLDS["0"]})
    path = folder / "epoch-0005" / "test-metrics.pt"
    content = torch.load(path)
    for key in content:
        if key.startswith("raw_"):
            content[key][:, 2] = math.nan
    torch.save(content, path)
    rows = collect(tmp_path, "baseline").rows
    assert rows.groupby("label")["state"].unique().map(list).to_dict() == {
        1: ["absent"],
        2: ["not scored"],
    }


def test_zero_shot_and_validation_files_are_stages_of_their_own(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    for stage in ("valid", "zeroshot", "train"):
        path = folder / "epoch-0005" / f"{stage}-metrics.pt"
        write_metrics(path, FOLDS["1"], [0.5, 0.5, 0.5, 0.5], {})
    assert set(collect(tmp_path, "baseline").rows["stage"]) == {"test", "valid", "zeroshot"}


def test_runs_on_other_cases_or_another_dataset_file_are_told(tmp_path):
    write_run(tmp_path, "unet-2d-none")
    other = write_run(tmp_path, "unet-3d-none")
    write_metrics(other / "epoch-0005" / "test-metrics.pt", {"a1": "a"}, [0.5], {})
    record = json.loads((other / "run.json").read_text())
    record["dataset"]["sha256"] = "another"
    (other / "run.json").write_text(json.dumps(record))
    collection = collect(tmp_path, "baseline")
    assert "other cases" in kinds(collection, "unet-3d-none")
    assert "dataset file" in kinds(collection)


def test_a_copied_run_is_told_and_not_pooled_with_its_original(tmp_path):
    original = write_run(tmp_path, "unet-2d-none")
    shutil.copytree(original, tmp_path / "baseline-copy-1" / "unet-2d-none", symlinks=True)
    collection = collect(tmp_path, "baseline")
    assert {run.dataset for run in collection.runs} == {"demo", "copy"}
    assert "moved" in kinds(collection, setting="copy-1")


def test_another_task_with_a_longer_name_is_not_taken_in(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none", setting="more-x-0")
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"task": "baseline-more"}))
    assert collect(tmp_path, "baseline").runs == ()


def test_an_empty_or_missing_folder_holds_no_runs(tmp_path):
    assert collect(tmp_path, "baseline").runs == ()
    assert collect(tmp_path / "nowhere", "baseline").rows.empty
