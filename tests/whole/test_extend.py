"""Going on, doing epochs again, starting over: what is done is set aside, and nothing is lost."""

import json
import os
from pathlib import Path

from tests.whole.conftest import UNET2D, assert_same_results, kill_when, lines, told


def _epochs(run: Path) -> list[int]:
    return sorted(int(path.name[-4:]) for path in run.glob("epoch-*"))


def _rates(run: Path) -> list[float]:
    return [line["learning_rate"] for line in lines(run) if line["stage"] == "train"]


def _stages(run: Path) -> list[tuple[int, str]]:
    return [(line["epoch"], line["stage"]) for line in lines(run)]


def test_two_epochs_more_go_on_at_the_rate_the_schedule_ended_with(press):
    press(UNET2D)
    press(UNET2D, "--increase_epoch", "2")
    run = press.run()
    assert _epochs(run) == [1, 2, 3, 4] and os.readlink(run / "latest") == "epoch-0004"
    record = json.loads((run / "run.json").read_text())
    assert (record["schedule_epochs"], record["target_epoch"], record["pending"]) == (2, 4, None)
    rates = _rates(run)
    assert rates[3] == rates[2] <= rates[1], "the rate must not rise again"
    assert not list(run.glob("redone-*"))


def test_a_larger_count_goes_on_without_a_jump_too(press):
    press(UNET2D)
    press(UNET2D, COUNT="3")
    rates = _rates(press.run())
    assert rates[2] <= rates[1] and _epochs(press.run()) == [1, 2, 3]


def test_an_extension_killed_in_its_last_evaluation_is_finished_and_not_added_to(press):
    run = press.run()
    press(UNET2D)
    process = press.begin(UNET2D, "--increase_epoch", "2")
    assert kill_when(process, run, (run / "epoch-0004" / "weights.safetensors").exists)
    press(UNET2D, "--increase_epoch", "2")
    assert _epochs(run) == [1, 2, 3, 4]
    assert _stages(run) == [(e, s) for e in (1, 2, 3, 4) for s in ("train", "valid", "test")]
    press(UNET2D, "--increase_epoch", "1")
    assert _epochs(run) == [1, 2, 3, 4, 5]


def test_the_last_epoch_done_again_is_the_same_and_the_old_one_is_set_aside(press, trained):
    press(UNET2D, COUNT="4")
    run = press.run()
    old = (run / "epoch-0004" / "test-metrics.pt").read_bytes()
    # Epoch 3 keeps its weights only as the best; then it has no optimiser state to go on with.
    pressed = press(UNET2D, "--increase_epoch", "-4", COUNT="4")
    (grave,) = run.glob("redone-*")
    assert f"epochs from 1 on are done again; the old ones went to {grave}" in pressed.stdout
    assert _epochs(grave) == [1, 2, 3, 4] and _stages(grave) == _stages(run)
    assert (grave / "epoch-0004" / "test-metrics.pt").read_bytes() == old
    assert_same_results(run, trained.run())


def test_going_back_lands_on_an_epoch_whose_weights_are_stored(press):
    press(UNET2D, COUNT="3")
    run = press.run()
    stored = [e for e in (1, 2) if (run / f"epoch-000{e}" / "weights.safetensors").exists()]
    first = (stored[-1] if stored else 0) + 1
    press(UNET2D, "--increase_epoch", "-1", COUNT="3")
    (grave,) = run.glob("redone-*")
    assert _epochs(grave)[0] == first and _epochs(run) == [1, 2, 3]
    assert _stages(run) == [(e, s) for e in (1, 2, 3) for s in ("train", "valid", "test")]
    for link in ("latest", "best"):
        assert (run / link / "weights.safetensors").exists()


def test_starting_over_killed_while_the_old_epochs_are_moved_starts_over(press, trained):
    run = press.run()
    press(UNET2D, "--learning_rate", "1e-5", COUNT="2")
    process = press.begin(UNET2D, "--start_epoch", "1", COUNT="4")
    kill_when(process, run, lambda: any(run.glob("redone-*")))
    press(UNET2D, "--start_epoch", "1", COUNT="4")
    assert_same_results(run, trained.run())


def test_starting_over_killed_and_given_again_goes_on_instead_of_starting_over_again(
    press, trained
):
    run = press.run()
    press(UNET2D, "--learning_rate", "1e-5", COUNT="2")
    process = press.begin(UNET2D, "--start_epoch", "1", COUNT="4")
    moment = run / "epoch-0002" / "valid-metrics.pt"
    gone = lambda: any(run.glob("redone-*/epoch-0002"))  # noqa: E731
    assert kill_when(process, run, lambda: gone() and moment.exists())
    again = press(UNET2D, "--start_epoch", "1", COUNT="4")
    assert "epochs   3-4" in again.stdout
    assert len(list(run.glob("redone-*"))) == 1
    assert json.loads((run / "run.json").read_text())["schedule_epochs"] == 4
    assert_same_results(run, trained.run())


def test_fix_goes_on_to_the_next_ten_and_old_weights_are_thinned_out(press):
    press(UNET2D, COUNT="1", MOS_SAMPLE_COUNT="8")
    press(UNET2D, "--increase_epoch", "fix", MOS_SAMPLE_COUNT="8")
    press(UNET2D, "--increase_epoch", "1", MOS_SAMPLE_COUNT="8")
    run = press.run()
    assert _epochs(run) == list(range(1, 12))
    kept = {path.parent.name for path in run.glob("epoch-*/weights.safetensors")}
    assert kept == {"epoch-0010", "epoch-0011", os.readlink(run / "best")}
    states = {path.parent.name for path in run.glob("epoch-*/state.pt")}
    assert states == {"epoch-0010", "epoch-0011"}
    assert len(list(run.glob("epoch-*/test-metrics.pt"))) == 11


def test_a_start_beyond_what_is_done_is_refused(press):
    press(UNET2D, COUNT="1")
    message = told(press(UNET2D, "--start_epoch", "5", code=2))
    assert "--start_epoch 5: only 1 epochs are done" in message and "--start_epoch 2" in message
    assert _epochs(press.run()) == [1]
