"""Auxiliary datasets on the whole path: trained with, logged, stopped, shared out, refused, predicted with."""

import json

import pytest
import torch

from tests.whole.conftest import (
    CROP3D,
    UNET2D,
    UNET3D,
    assert_same_results,
    end,
    kill_when,
    lines,
    told,
)
from tests.whole.test_processes import start_processes

AUX = ("--aux_dataset", "phantom-tiny-aux")
RUN = "unet-2d-phantom-tiny-aux"


@pytest.fixture(scope="module")
def both(trained, tmp_path_factory):
    """Two epochs with an auxiliary set and the mask loss, never stopped. Leave them as they are."""
    from dataclasses import replace

    press = replace(trained, folder=tmp_path_factory.mktemp("both"))
    press.said = press(UNET2D, *AUX, "--partial_labels", "mask", MOS_MODEL_NORM="instance").stdout
    return press


def test_a_run_with_an_auxiliary_set_says_and_records_what_it_trained_on(both):
    run = both.run(RUN)
    record = json.loads((run / "run.json").read_text())
    assert record["aux"] == "phantom-tiny-aux"
    (one,) = record["aux_datasets"]
    assert one["name"] == "phantom-tiny-aux" and len(one["sha256"]) == 64
    assert (one["labels"], one["weight"], one["cases"]) == ([2, 3, 4], 1.0, 16)
    assert record["train_labels"] == record["main_labels"] == [1, 2, 3, 4]
    assert "\naux      baseline-phantom-tiny-aux.pt: volumes 16; training samples" in both.said
    assert "\nbatch    2 of phantom-tiny, 2 of phantom-tiny-aux; " in both.said


def test_the_log_has_the_loss_of_each_set(both):
    run = both.run(RUN)
    trained = [line for line in lines(run) if line["stage"] == "train"]
    table = torch.load(run / "epoch-0002" / "train-metrics.pt", weights_only=True)
    for part in ("loss", "dice_loss", "ce_loss"):
        main, aux = (f"{part}[phantom-tiny{name}]" for name in ("", "-aux"))
        # Two samples of each in every batch: the mean of the batch is that of the two means.
        mean = (table[main][:-1] + table[aux][:-1]) / 2
        key = "epoch_losses" if part == "loss" else part
        assert torch.allclose(mean, table[key][:-1], atol=1e-5)
        assert all(line[main] > 0 and line[aux] > 0 for line in trained)


def test_a_run_with_an_auxiliary_set_that_is_killed_equals_one_never_stopped(press, both):
    run, options = press.run(RUN), (*AUX, "--partial_labels", "mask")
    process = press.begin(UNET2D, *options, MOS_MODEL_NORM="instance")
    assert kill_when(process, run, (run / "epoch-0001").exists)
    press(UNET2D, *options, MOS_MODEL_NORM="instance")
    assert_same_results(run, both.run(RUN))


def test_two_processes_train_on_the_same_samples_as_one(press, both):
    options = (*AUX, "--partial_labels", "mask")
    for process in start_processes(press, 2, *options, MOS_MODEL_NORM="instance"):
        end(process, 0)
    tables = [
        torch.load(one.run(RUN) / "epoch-0001" / "train-metrics.pt", weights_only=True)
        for one in (press, both)
    ]
    assert len(tables[0]) == 9
    for key, losses in tables[0].items():
        # The first batches to rounding; what rounding does to the weights grows from there.
        assert torch.allclose(losses[:3], tables[1][key][:3], atol=1e-5), key
        assert torch.allclose(losses, tables[1][key], atol=2e-3), key


def test_what_a_run_trained_on_may_not_change(both):
    for change, message in [
        (["--aux_dataset_labels", "2"], r"another aux_dataset_labels [[2, 3, 4]] -> [[2]]"),
        (["--partial_labels", "marginal"], "another partial_labels mask -> marginal"),
        (["--aux_dataset_only"], "another eval_labels"),
        (["--dataset_train_all"], "another dataset_train_all False -> True"),
    ]:
        options = {"MOS_MODEL_NORM": "instance"}
        refused = both(UNET2D, *AUX, *change, code=2, COUNT="3", **options)
        assert message in told(refused)


def test_a_run_trained_with_masks_predicts_as_it_was_scored(both, tmp_path):
    from run.baseline.phantom import export_nifti

    export_nifti("phantom-tiny-aux", tmp_path, patients=1)
    both(
        "baseline/cmd/predict",
        *("--run", both.run(RUN), "--input", f"{tmp_path}/images/*.nii.gz"),
        *("--output", tmp_path / "out"),
    )
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 2


def test_pretraining_on_auxiliary_sets_alone_and_training_on_everything(press):
    said = press(UNET3D, *AUX, "--aux_dataset_only", COUNT="1", **CROP3D).stdout
    assert "volumes train 14, valid 2, test 5; not trained on" in said
    record = json.loads((press.run("unet-3d-phantom-tiny-aux") / "run.json").read_text())
    assert (record["label_count"], record["eval_labels"]) == (5, [2, 3, 4])
    said = press(UNET2D, "--dataset_train_all", "--dir_postfix", "[all]", COUNT="1").stdout
    assert "scores   none: all of the main set trains" in said
    stages = [line["stage"] for line in lines(press.run("unet-2d-none[all]"))]
    assert stages == ["train"] and (press.run("unet-2d-none[all]") / "best").exists()


def test_a_run_from_before_auxiliary_sets_goes_on(press):
    press(UNET2D, COUNT="1")
    path = press.run() / "run.json"
    record = json.loads(path.read_text())
    new = [key for key in record["identity"] if key.startswith(("aux_", "partial", "dataset_tr"))]
    assert len(new) == 6
    for key in new:
        del record["identity"][key]
        record["options"].pop(key, None)
    del record["aux_datasets"], record["main_labels"]
    path.write_text(json.dumps(record))
    press(UNET2D, COUNT="2")
    assert [line["epoch"] for line in lines(press.run())] == [1, 1, 1, 2, 2, 2]
