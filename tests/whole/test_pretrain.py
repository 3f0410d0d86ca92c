"""Pretraining on another hospital's labels, then starting from it: what came along, and that it stays."""

import json
import shutil

import pytest

from tests.whole.conftest import UNET2D, lines, told

AUX = "unet-2d-phantom-tiny-aux[pretrain]"
INSTANCE = {"MOS_MODEL_NORM": "instance", "MOS_PRECISION": "fp32"}


@pytest.fixture
def pretrained(press):
    """One epoch on the auxiliary set alone; the folder it left."""
    words = ("--aux_dataset", "phantom-tiny-aux", "--aux_dataset_only")
    press(UNET2D, *words, "--dir_postfix", "[pretrain]", COUNT="1", **INSTANCE)
    return press.run(AUX)


def _record(run):
    return json.loads((run / "run.json").read_text())


def test_a_run_starts_from_a_pretrained_one_and_goes_on_without_it(press, pretrained):
    given = ("--pretrain_model_path", f".checkpoint/baseline-phantom-tiny/{AUX}/latest")
    pressed = press(UNET2D, *given, "--load_optimizer", COUNT="1", **INSTANCE)
    run, weights = press.run(), pretrained.resolve() / "epoch-0001" / "weights.safetensors"
    assert f"weights  {weights}" in pressed.stdout and "0 re-initialised" in pressed.stdout
    found = _record(run)["weights_from"]
    assert (found["path"], found["skipped"], found["reinitialised"]) == (str(weights), [], [])
    assert found["matched"] and found["run"] == AUX

    # Two processes start from the same weights and moments as one did.
    postfix = ("--dir_postfix", "[two]")
    press(UNET2D, *given, *postfix, "--load_optimizer", COUNT="1", MOS_PROCESSES="2", **INSTANCE)
    for one, two in zip(lines(run), lines(press.run("unet-2d-none[two]")), strict=True):
        assert one["loss"] == pytest.approx(two["loss"], abs=1e-4)

    shutil.rmtree(pretrained)
    again = press(UNET2D, "--increase_epoch", "1", **INSTANCE)
    assert "weights  its own, of epoch 1" in again.stdout and "model_path" not in again.stdout
    assert _record(run)["weights_from"] == found and len(lines(run)) == 6


def test_weights_that_cannot_be_used_begin_nothing_and_move_nothing(press):
    missing = press(UNET2D, "--pretrain_model_path", "nowhere/latest", code=2)
    assert "nowhere/latest: nothing is there" in told(missing)
    assert not press.run().parent.exists()
    press(UNET2D, COUNT="1")
    over = ("--start_epoch", "1", "--pretrain_model_path", "nowhere/latest")
    assert "nothing is there" in told(press(UNET2D, *over, COUNT="1", code=2))
    assert (press.run() / "latest").exists() and not list(press.run().glob("redone-*"))
