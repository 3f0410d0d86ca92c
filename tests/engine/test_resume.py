"""Where a run goes on, and what is moved out of the way first."""

import json

import pytest
from torch import nn

from mos.engine import checkpoint
from mos.engine.metric_log import append_line, read_lines
from mos.engine.resume import settle
from mos.errors import BadInput
from mos.folders import STATE, WEIGHTS, epoch_folder, epoch_folders
from mos.options import TrainingOptions


def save(run, epoch):
    checkpoint.save_epoch(run, epoch, nn.Linear(2, 2), {}, {})
    append_line(run, epoch, "valid", {"dice": epoch / 10})
    checkpoint.point_best(run, epoch)


def settled(run, pending=None, **options):
    """The plan and the record as written."""
    record = {"pending": pending, "schedule_epochs": 5}
    plan = settle(run, TrainingOptions(**{"epoch_count": 5} | options), record)
    assert json.loads((run / "run.json").read_text()) == record
    return (plan.first, plan.last), record


@pytest.fixture
def done(tmp_path):
    """A run with five epochs, all weights stored."""
    for epoch in range(1, 6):
        save(tmp_path, epoch)
    return tmp_path


def test_the_plain_command_goes_on_behind_the_last_epoch_and_moves_nothing(done):
    assert settled(done, epoch_count=8) == (
        (6, 8),
        {"pending": None, "schedule_epochs": 5, "target_epoch": 8},
    )
    assert len(epoch_folders(done)) == 5


def test_an_increase_interrupted_and_given_again_keeps_its_end(done):
    plan, record = settled(done, increase_epoch="3")
    assert plan == (6, 8)
    save(done, 6)
    assert settled(done, record["pending"], increase_epoch="3")[0] == (7, 8)


def test_redone_epochs_and_their_lines_move_together(done):
    plan, record = settled(done, increase_epoch="-2")
    assert plan == (4, 5) and record["pending"]["aside"]
    assert list(epoch_folders(done)) == [1, 2, 3]
    assert [line["epoch"] for line in read_lines(done)] == [1, 2, 3]
    (grave,) = done.glob("redone-*")
    assert list(epoch_folders(grave)) == [4, 5]
    assert [line["epoch"] for line in read_lines(grave)] == [4, 5]


def test_a_move_that_was_cut_short_is_finished_whatever_is_asked_next(done):
    _, record = settled(done, increase_epoch="-2")
    # As if it had been killed with epoch 4 moved and epoch 5 still there.
    (grave,) = done.glob("redone-*")
    (grave / "epoch-0005").rename(epoch_folder(done, 5))
    pending = record["pending"] | {"aside": False}
    assert settled(done, pending)[0] == (4, 5)
    assert list(epoch_folders(done)) == [1, 2, 3]


def test_an_epoch_folder_without_its_state_is_moved_and_trained_again(done):
    (epoch_folder(done, 5) / STATE).unlink()  # as after a copy without the large files
    assert settled(done)[0] == (5, 5)
    assert list(epoch_folders(done)) == [1, 2, 3, 4]


def test_a_start_whose_weights_are_gone_is_refused_with_those_that_are_there(done):
    (epoch_folder(done, 3) / WEIGHTS).unlink()
    with pytest.raises(BadInput, match="epoch 3 are not stored.*possible here: 1, 2, 3, 5, 6"):
        settle(done, TrainingOptions(epoch_count=5, start_epoch=4), {"pending": None})
    assert len(epoch_folders(done)) == 5


def test_redoing_goes_back_to_the_nearest_stored_weights_and_says_so(done, capsys):
    (epoch_folder(done, 3) / WEIGHTS).unlink()
    assert settled(done, increase_epoch="-2")[0] == (3, 5)
    assert "going back to epoch 2" in capsys.readouterr().out


def test_a_start_behind_the_last_epoch_asked_for_is_refused_before_anything_moves(done):
    with pytest.raises(BadInput, match="--start_epoch 4.*COUNT"):
        settle(done, TrainingOptions(epoch_count=2, start_epoch=4), {"pending": None})
    assert len(epoch_folders(done)) == 5


def test_from_scratch_the_schedule_has_the_length_now_asked_for(done):
    plan, record = settled(done, epoch_count=7, start_epoch=1)
    assert plan == (1, 7) and record["schedule_epochs"] == 7 and not epoch_folders(done)
