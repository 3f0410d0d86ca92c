"""Several processes under torchrun: the same numbers as one, one voice, and nobody left waiting."""

import json
import socket

import pytest

from tests.whole.conftest import UNET2D, end, lines, told

INSTANCE = {"MOS_MODEL_NORM": "instance", "MOS_PRECISION": "fp32"}


def start_processes(press, world, *args, **environ):
    """The processes that torchrun would start, without the agent that starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
    return [
        press.begin(UNET2D, *args, **meet, RANK=str(rank), LOCAL_RANK=str(rank), **environ)
        for rank in range(world)
    ]


@pytest.fixture(scope="module")
def alone(trained, tmp_path_factory):
    """One process, four cases a step."""
    from dataclasses import replace

    press = replace(trained, folder=tmp_path_factory.mktemp("alone"))
    press(UNET2D, **INSTANCE)
    return press.run()


def _assert_close(run, other, tolerance):
    for one, two in zip(lines(run), lines(other), strict=True):
        assert (one["epoch"], one["stage"]) == (two["epoch"], two["stage"])
        keys = ("loss",) if one["stage"] == "train" else ("loss", "dice", "iou")
        for key in keys:
            assert one[key] == pytest.approx(two[key], abs=tolerance), (one, two)


def test_torchrun_gives_the_losses_and_scores_of_one_process(press, alone):
    pressed = press(UNET2D, MOS_PROCESSES="2", **INSTANCE)
    heads = [line.split()[0] for line in pressed.stdout.splitlines()]
    assert heads == "run data labels network machine epochs epoch epoch best best stored".split()
    assert pressed.stderr == ""
    _assert_close(press.run(), alone, 1e-4)


def test_three_processes_share_batches_of_four_unevenly_with_the_same_losses(press, alone):
    for process in start_processes(press, 3, **INSTANCE):
        end(process, 0)
    _assert_close(press.run(), alone, 1e-4)


def test_a_batch_norm_trains_on_several_processes(press):
    first, second = (end(process, 0) for process in start_processes(press, 2))
    assert second.stdout == "" and second.stderr == ""
    assert "epoch 2" in first.stdout
    record = json.loads((press.run() / "run.json").read_text())
    assert record["identity"]["norm"] == "batch" and record["finished"]


@pytest.mark.parametrize(
    ("args", "environ", "message"),
    [
        (["--lerning_rate", "1"], {}, "did you mean --learning_rate?"),
        ([], {"SETTING": "phantom-9"}, "no such phantom"),
        (["--dataset_crop_size", "64,64"], {}, "larger than train2d"),
        (["--model_channels", "4,8,16"], {}, "made with another channels"),
        (["--increase_epoch", "1", "--learning_rate", "1e12"], {}, "the loss is not finite"),
    ],
    ids=["option", "dataset", "crop", "first process alone", "while training"],
)
def test_a_refusal_is_told_once_and_stops_all(args, environ, message, press):
    press(UNET2D, COUNT="1")
    first, *others = start_processes(press, 2, *args, **environ)
    refused = end(first, 2)
    assert refused.stderr.count("error: ") == 1 and message in refused.stderr
    for other in others:
        silent = end(other, 2)
        assert silent.stdout == "" and silent.stderr == ""


def test_a_run_in_use_is_refused_to_all_processes(press):
    running = press.begin(UNET2D, COUNT="500")
    while not (press.run() / "epoch-0001").exists():
        assert running.poll() is None
    first, second = (end(process, 2) for process in start_processes(press, 2, COUNT="500"))
    assert "in use by process" in first.stderr and second.stderr == ""
    running.terminate()
    end(running, 143)


def test_a_refusal_under_torchrun_is_one_message_and_nothing_else(press):
    pressed = end(press.begin(UNET2D, SETTING="phantom-9", MOS_PROCESSES="2"), 2)
    assert len(pressed.stderr.splitlines()) == 1 and "no such phantom" in told(pressed)


def test_torchrun_started_cold_finds_the_programs_and_is_refused_with_one_message(launcher):
    pressed = launcher(UNET2D, "--lerning_rate", "1", MOS_PROCESSES="2")
    assert len(pressed.stderr.splitlines()) == 1
    assert "did you mean --learning_rate?" in told(pressed)
