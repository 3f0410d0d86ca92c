"""A launcher trains, and the documented tree is there."""

import json
import os
from pathlib import Path

import pytest
import torch

from mos.data.bundle import open_bundle
from tests.whole.conftest import (
    CROP3D,
    TINY,
    UNET2D,
    UNET3D,
    assert_same_results,
    lines,
    told,
)

RECORD_KEYS = (
    "options layers command note tag name setting task dims network aux labels label_count spacing "
    "preparation dataset parameters versions git host pid started finished seconds schedule_epochs "
    "target_epoch seed"
).split()


def test_a_cold_start_prints_what_it_does_and_nothing_else(launcher, cache, tmp_path):
    pressed = launcher(UNET3D, "--note", "first", **TINY | CROP3D | {"MOS_CACHE": str(cache)})
    assert pressed.returncode == 0, pressed.stderr
    first_use = f"making the built-in dataset phantom-tiny (once): {cache}"
    assert [e for e in pressed.stderr.splitlines() if not e.startswith(first_use)] == []
    heads = [line.split()[0] for line in pressed.stdout.splitlines()]
    assert heads == "run data labels network machine epochs epoch epoch best best stored".split()
    _check_tree(tmp_path / "checkpoint" / "baseline-phantom-tiny" / "unet-3d-none", 3, "first")


def test_the_documented_tree_is_there(press):
    press(UNET2D, "--note", "first")
    _check_tree(press.run(), 2, "first")


def _check_tree(run, dims, note):
    record = json.loads((run / "run.json").read_text())
    assert set(RECORD_KEYS) <= set(record)
    assert (record["dims"], record["note"], record["name"]) == (dims, note, f"unet-{dims}d-none")
    assert record["dataset"]["cases"] == {"train": 14, "valid": 2, "test": 5}
    assert len(record["dataset"]["sha256"]) == 64 and record["finished"] and record["seconds"] > 0
    assert record["layers"]["epoch_count"] == "environment COUNT"
    assert record["layers"]["note"] == "command line" and record["options"]["note"] == note
    assert record["labels"]["2"] == "left ventricle" and record["label_count"] == 5

    written = [json.loads(line) for line in (run / "metric.jsonl").read_text().splitlines()]
    stages = [(line["epoch"], line["stage"]) for line in written]
    assert stages == [(epoch, stage) for epoch in (1, 2) for stage in ("train", "valid", "test")]
    assert {"loss", "learning_rate", "seconds", "samples", "peak_memory_mib", "time"} <= set(
        written[0]
    )
    scores = {"dice", "iou", "hd", "msd", "loss", "cases", "missed", "invented", "seconds", "time"}
    assert scores <= set(written[1]) and scores <= set(written[2])

    assert os.readlink(run / "latest") == "epoch-0002"
    assert os.readlink(run / "best") in ("epoch-0001", "epoch-0002")
    assert list((run / "logs").iterdir())
    names = {path.name for path in (run / "epoch-0002").iterdir()}
    tables = {f"{stage}-metrics.pt" for stage in ("train", "valid", "test")}
    assert names == tables | {"weights.safetensors", "state.pt"}
    assert {path.name for path in (run / "epoch-0001").iterdir()} >= tables
    assert not (run / "epoch-0001" / "state.pt").exists()
    assert not [path.name for path in run.iterdir() if path.name.startswith(".")]
    _check_table(run, record)


def _check_table(run, record):
    bundle = open_bundle(Path(record["dataset"]["path"]))
    table = torch.load(run / "epoch-0002" / "test-metrics.pt", weights_only=True)
    assert table["case"] == [case.id for case in bundle.cases["test3d"]]
    assert table["patient"] == [case.patient for case in bundle.cases["test3d"]]
    for name in ("dice", "iou", "hd", "msd"):
        assert table[name].shape == (5,) and table[name].dtype == torch.float64
    for name in ("dice", "iou", "hd", "msd", "tp", "fp", "fn"):
        raw = table[f"raw_{name}"]
        assert raw.shape == (5, 5) and raw.dtype == torch.float64 and raw[:, 0].isnan().all()
    assert table["epoch_losses"].shape == (5,)
    assert torch.equal(table["dice"], table["raw_dice"][:, 1:].nanmean(1))
    train = torch.load(run / "epoch-0002" / "train-metrics.pt", weights_only=True)
    assert train["epoch_losses"].isfinite().all() and train["epoch_losses"].ndim == 1


def test_the_report_and_the_check_read_what_training_wrote(trained):
    pressed = trained("baseline/cmd/summary", "--output_folder", trained.folder / "report")
    assert "unet-2d-none" in (trained.folder / "report" / "result.html").read_text()
    assert pressed.stderr == ""
    checked = trained("baseline/cmd/check", "phantom-tiny")
    assert "train3d (14, 2, 4, 48, 48), 7 patients" in checked.stdout
    assert "no patient in two splits" in checked.stdout


def test_the_same_command_repeats_itself_bit_for_bit(press, trained):
    press(UNET2D, COUNT="4")
    assert_same_results(press.run(), trained.run())


def test_another_seed_gives_other_weights(press, trained):
    press(UNET2D, "--seed", "1", COUNT="1")
    assert lines(press.run())[0]["loss"] != lines(trained.run())[0]["loss"]


def test_a_finished_run_has_nothing_to_do(press):
    press(UNET2D, COUNT="1")
    before = (press.run() / "metric.jsonl").read_bytes()
    pressed = press(UNET2D, COUNT="1")
    assert "nothing to train: epoch 1 is done" in pressed.stdout
    assert (press.run() / "metric.jsonl").read_bytes() == before


@pytest.mark.parametrize("name, crop", [(UNET2D, {}), (UNET3D, CROP3D)], ids=["2-D", "3-D"])
def test_one_sample_a_step_trains_with_a_norm_that_needs_no_batch(name, crop, press):
    pressed = press(name, BS="1", COUNT="3", MOS_SAMPLE_COUNT="30", **crop)
    assert "instance norm" in pressed.stdout
    train = [one for one in lines(press.run(Path(name).name)) if one["stage"] == "train"]
    assert train[-1]["loss"] < train[0]["loss"] - 0.1


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_epoch(press, trained):
    press(UNET2D, COUNT="1", MOS_SCHEDULE_EPOCHS="4")
    weights = (press.run() / "epoch-0001" / "weights.safetensors").read_bytes()
    message = told(press(UNET2D, "--learning_rate", "1e12", COUNT="4", code=2))
    assert "epoch 2, batch " in message and "its cases: tiny" in message
    assert "try --learning_rate 1e+11" in message
    assert (press.run() / "epoch-0001" / "weights.safetensors").read_bytes() == weights
    assert os.readlink(press.run() / "latest") == "epoch-0001"
    press(UNET2D, "--learning_rate", "1e-3", COUNT="4")
    assert_same_results(press.run(), trained.run())
