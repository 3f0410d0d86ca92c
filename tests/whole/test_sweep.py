"""A sweep as a user runs it: cells that fail, stops, two at once, and that nothing outlives it."""

import json
import os
import signal
import time

import pytest

from tests.whole.conftest import SECONDS, UNET2D, end, told

SWEEP = "baseline/cmd/sweep"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(f"launchers: [unet-2d-none]\nsettings: [phantom-tiny]\n{text}\n")
        return str(path)

    return write


def wait_for(moment):
    """Until a moment comes; so many seconds are too many."""
    end = time.monotonic() + SECONDS
    while not moment():
        assert time.monotonic() < end
        time.sleep(0.02)


def holder(folder):
    return json.loads((folder / "run.lock").read_text())["pid"]


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def rows(pressed):
    """`--status`: name of the run's postfix -> (state, epochs)."""
    lines = [line for line in pressed.stdout.splitlines() if " of " in line and "unet" in line]
    found = {}
    for line in lines:
        state, rest = line.split(maxsplit=1)
        if state in ("finished", "failed", "stopped", "waiting", "running") and "[" in line:
            found[line[line.index("[") + 1 : line.index("]")]] = (state, rest.split("  ")[0])
    return found


def test_a_failed_cell_stops_no_other_and_the_same_command_goes_on(press, trained, file):
    bad = "{dir_postfix: '[b,ad]', dataset_crop_size: [64, 64]}"
    path = file("variants: [%s, {dir_postfix: '[good]', learning_rate: 3e-3}]" % bad)
    first = press(SWEEP, "--file", path, "--jobs", 2, code=1, COUNT="1")
    assert "failed: phantom-tiny/unet-2d-none[b,ad]: error: " in first.stdout
    notes = press.folder / "sweep/mine/phantom-tiny"
    log = (notes / "unet-2d-none[b,ad]" / "log.txt").read_text()
    assert "--dataset_crop_size '64,64'" in log or "--dataset_crop_size 64,64" in log
    status = press(SWEEP, "--file", path, "--status", COUNT="1")
    assert rows(status) == {"b,ad": ("failed", "0 of 1"), "good": ("finished", "1 of 1")}
    assert "2 cells: 1 finished, 1 failed" in status.stdout

    # The bad one is mended; the good one is asked for more epochs.
    path = file("variants: [{dir_postfix: '[b,ad]'}, {dir_postfix: '[good]'}]")
    press(SWEEP, "--file", path)
    status = press(SWEEP, "--file", path, "--status")
    assert rows(status) == {"b,ad": ("finished", "2 of 2"), "good": ("finished", "2 of 2")}
    stored = json.loads((press.run("unet-2d-none[good]") / "run.json").read_text())
    assert [start["after_epoch"] for start in stored["starts"]] == [0, 1]
    again = press(SWEEP, "--file", path)
    assert "started" not in again.stdout and "2 cells: 2 finished" in again.stdout


def test_a_stopped_sweep_ends_its_children_and_keeps_whole_epochs(press, file):
    path, run = file(""), press.run()
    sweep = press.begin(SWEEP, "--file", path, COUNT="500")
    wait_for((run / "epoch-0001").exists)
    trainer = holder(run)
    sweep.send_signal(signal.SIGINT)
    stopped = end(sweep, 130)
    assert is_gone(trainer) and not (run / "run.lock").exists()
    assert "1 cells: 1 stopped\nstopped; the same command goes on" in stopped.stdout


def test_a_killed_sweep_leaves_no_process_and_is_taken_over(press, file):
    path, run = file(""), press.run()
    sweep = press.begin(SWEEP, "--file", path, COUNT="500")
    wait_for((run / "epoch-0001").exists)
    trainer = holder(run)
    os.kill(holder(press.folder / "sweep/mine/phantom-tiny/unet-2d-none"), signal.SIGKILL)
    end(sweep, -signal.SIGKILL)
    wait_for(lambda: is_gone(trainer))
    assert "1 cells: 1 stopped" in press(SWEEP, "--file", path, "--status", COUNT="500").stdout
    done = len([path for path in run.glob("epoch-????") if path.is_dir()])
    press(SWEEP, "--file", path, COUNT=str(done + 1))


def test_a_second_sweep_leaves_a_running_cell_alone_and_waits_for_it(press, file):
    path, run = file(""), press.run()
    # Once a launcher pressed by hand, whose run no sweep has noted.
    for begin in (lambda: press.begin(UNET2D, COUNT="500"), None):
        first = begin() if begin else press.begin(SWEEP, "--file", path, COUNT="500")
        wait_for((run / "run.lock").exists)
        status = press(SWEEP, "--file", path, "--status", COUNT="500").stdout
        assert "1 cells: 1 running" in status and f"process {holder(run)} on" in status
        second = press.begin(SWEEP, "--file", path, COUNT="500")
        assert "elsewhere" in second.stdout.readline()
        second.terminate()
        assert "1 running" in end(second, 143).stdout and first.poll() is None
        trainer = holder(run)
        first.terminate()
        end(first, 143)
        assert is_gone(trainer)


def test_a_refused_file_starts_nothing(press, trained, file):
    message = told(press(SWEEP, "--file", file("variants: [{}, {BS: 2}]"), code=2))
    assert "same run folder" in message
    shown = press(SWEEP, "--file", file("variants: [{dir_postfix: '[a,b]'}]"), "--dry_run")
    assert "--dir_postfix '[a,b]'" in shown.stdout and not press.folder.exists()
    message = told(press(SWEEP, "--file", file(""), "--slurm_gpus", 1, code=2))
    assert "--slurm" in message and "leave it out" in message
