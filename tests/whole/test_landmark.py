"""The landmark launcher, pressed on the tiny phantom: it trains, goes on, stops early and is reported."""

import json
import os

import pytest
import torch

from tests.whole.conftest import Press, assert_equal, assert_same_results, lines, told

UNET = "landmark/unet-512"
TINY = {
    "SETTING": "phantom-tiny",
    "COUNT": "2",
    "BS": "4",
    "MOS_MODEL_CHANNELS": "4,8,8",
    "MOS_HEATMAP_SIGMA": "3",
    "MOS_SCHEDULE_EPOCHS": "3",
    "MOS_THREADS": "1",
    "MOS_DEVICE": "cpu",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture
def press(warm_python, cache, tmp_path):
    return Press(warm_python, cache, tmp_path / "checkpoint", dict(TINY))


def run_of(press, name="unet-512"):
    return press.folder / "landmark-phantom-tiny" / name


def test_it_trains_goes_on_as_if_never_stopped_and_is_reported(press):
    pressed = press(UNET, "--note", "first")
    assert "best epoch" in pressed.stdout and "within 2 mm" in pressed.stdout
    run = run_of(press)
    record = json.loads((run / "run.json").read_text())
    assert (record["task"], record["name"], record["note"]) == ("landmark", "unet-512", "first")
    assert record["labels"]["1"] and record["finished"] and record["target_epoch"] == 2
    stages = [(line["epoch"], line["stage"]) for line in lines(run)]
    assert stages == [(epoch, stage) for epoch in (1, 2) for stage in ("train", "valid", "test")]
    assert {"mre", "mre_points", "mre_sd", "mre_median", "sdr2", "sdr4", "loss"} <= set(
        lines(run)[1]
    )
    table = torch.load(run / "latest" / "test-metrics.pt", weights_only=True)
    count, cases = len(record["labels"]), record["dataset"]["cases"]["test"]
    assert table["raw_mre"].shape == (cases, count) == table["predicted"].shape[:2]
    assert table["mre"].shape == table["epoch_losses"].shape == (len(table["case"]),)
    assert torch.allclose(table["mre"], table["raw_mre"].nanmean(1))

    press(UNET, COUNT="3")
    press(UNET, "--dir_postfix", "[whole]", COUNT="3")
    assert_same_results(run, run_of(press, "unet-512[whole]"))
    assert "another heatmap_sigma" in told(press(UNET, "--heatmap_sigma", "4", code=2))

    _check_re_evaluation(press, run)
    press("landmark/cmd/summary", "--output_folder", press.folder / "report")
    assert "unet-512" in (press.folder / "report" / "result.html").read_text()


def _check_re_evaluation(press, run):
    """A metric that is newer than the run is filled in; scored again, nothing changes but what was altered."""
    path, old = run / "epoch-0001" / "test-metrics.pt", run / "best" / "test-metrics.pt"
    table, best = (torch.load(file, weights_only=True) for file in (path, old))
    without = {key: value for key, value in table.items() if key not in ("raw_sdr3", "sdr3")}
    torch.save(without, path)
    assert "1 filled in from stored errors" in press(UNET, "--re_eval", "complete").stdout
    assert_equal(torch.load(path, weights_only=True), table, "filled in")
    torch.save({**best, "mre": best["mre"] + 1}, old)
    assert "files scored with their weights" in press(UNET, "--re_eval", "force").stdout
    assert_equal(torch.load(old, weights_only=True), best, "scored again")
    assert old.with_name("test-metrics.pt.bk").exists()


def test_it_stops_when_nothing_gets_better_and_starts_from_another_run(press):
    press(UNET, "--learning_rate", "1e-9", "--patience", "1", COUNT="9")
    run = run_of(press)
    done = json.loads((run / "run.json").read_text())["target_epoch"]
    assert done < 9 and len(list(run.glob("epoch-*"))) == done
    assert os.readlink(run / "latest") == f"epoch-{done:04d}"
    pressed = press(UNET, "--pretrain_model_path", run, "--dir_postfix", "[on]", COUNT="1")
    assert "tensors loaded (100.0% of the parameters)" in pressed.stdout
