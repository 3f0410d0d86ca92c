"""A run killed at any moment and started again equals the run that was never stopped, bit for bit."""

import json
import os
import random
import signal
import time
from dataclasses import replace

import pytest

from tests.whole.conftest import (
    CROP3D,
    UNET2D,
    UNET3D,
    assert_same_results,
    end,
    kill_when,
    told,
)

MOMENTS = {
    "before anything is trained": lambda run: (run / "run.json").exists(),
    "while the first epoch is written": lambda run: (run / ".epoch-0001.tmp").exists(),
    "while epoch 2 is written": lambda run: (run / ".epoch-0002.tmp").exists(),
    "after epoch 2 is saved, before it is scored": lambda run: (run / "epoch-0002").exists(),
    "between validation and test": lambda run: (run / "epoch-0002/valid-metrics.pt").exists(),
    "after epoch 3 is scored, before its lines": lambda run: (
        run / "epoch-0003/test-metrics.pt"
    ).exists(),
    "while epoch 2 is thinned out": lambda run: (run / "epoch-0003").exists()
    and not (run / "epoch-0002/state.pt").exists(),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_and_started_again_equals_one_never_stopped(moment, press, trained):
    run = press.run()
    assert kill_when(press.begin(UNET2D, COUNT="4"), run, lambda: MOMENTS[moment](run))
    press(UNET2D, COUNT="4")
    assert_same_results(run, trained.run())
    assert not list(run.glob(".*")) and not (run / "run.lock").exists()


def test_a_3d_run_with_dropout_killed_again_and_again_equals_one_never_stopped(press, tmp_path):
    options = {"MOS_MODEL_DROPOUT": "0.2", "COUNT": "3", **CROP3D}
    whole = replace(press, folder=tmp_path / "whole")
    whole(UNET3D, **options)
    delays = random.Random(0)
    run = press.run("unet-3d-none")
    for _ in range(6):
        process = press.begin(UNET3D, **options)
        stop = time.monotonic() + delays.uniform(0.5, 1.5)
        kill_when(process, run, lambda: time.monotonic() > stop)
    press(UNET3D, **options)
    assert_same_results(run, whole.run("unet-3d-none"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_terminate_leave_with_one_sentence_and_give_the_folder_back(number, code, press):
    process = press.begin(UNET2D, COUNT="500")
    while not (press.run() / "epoch-0001").exists():
        time.sleep(0.01)
    process.send_signal(number)
    pressed = end(process, code)
    assert pressed.stderr.splitlines()[-1].startswith("stopped; the same command continues")
    assert "Traceback" not in pressed.stderr
    assert not (press.run() / "run.lock").exists()


def test_the_second_process_on_a_run_is_refused_and_a_dead_ones_lock_is_taken_over(press):
    run = press.run()
    first = press.begin(UNET2D, COUNT="500")
    while not (run / "epoch-0001").exists():
        time.sleep(0.01)
    holder = json.loads((run / "run.lock").read_text())
    before = (run / "run.json").read_bytes()
    message = told(press(UNET2D, COUNT="500", code=2))
    assert f"process {holder['pid']} on {os.uname().nodename}" in message
    assert (run / "run.json").read_bytes() == before and first.poll() is None

    os.kill(holder["pid"], signal.SIGKILL)
    end(first, -signal.SIGKILL)
    assert (run / "run.lock").exists()
    pressed = press(UNET2D, COUNT="1")
    assert f"taking over the lock of process {holder['pid']}" in pressed.stdout
    assert not (run / "run.lock").exists()
