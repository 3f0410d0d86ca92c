"""`metric.jsonl` after kills, redone epochs and empty cases."""

import errno

import pytest

from mos.engine.metric_log import append_line, best_epoch, drop_lines, read_lines
from mos.errors import BadInput
from mos.folders import METRIC_LOG


def valid(epoch, dice, stage="valid"):
    return {"epoch": epoch, "stage": stage, "dice": dice}


def test_what_is_appended_is_read_back(tmp_path):
    append_line(tmp_path, 1, "train", {"loss": 0.5})
    append_line(tmp_path, 1, "valid", {"dice": None})
    first, second = read_lines(tmp_path)
    assert (first["epoch"], first["stage"], first["loss"]) == (1, "train", 0.5)
    assert second["dice"] is None and "time" in second


def test_a_new_run_has_no_lines(tmp_path):
    assert read_lines(tmp_path) == []


def test_a_full_disk_leaves_the_lines_that_were_there(tmp_path, monkeypatch):
    append_line(tmp_path, 1, "train", {})
    with monkeypatch.context() as full:
        full.setattr("mos.files.os.fsync", _no_space)
        with pytest.raises(BadInput, match="the disk is full"):
            append_line(tmp_path, 2, "train", {})
    append_line(tmp_path, 3, "train", {})
    assert [line["epoch"] for line in read_lines(tmp_path)] == [1, 3]
    assert [path.name for path in tmp_path.iterdir()] == [METRIC_LOG]


def _no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_edited_by_hand_into_no_json_is_refused_by_name(tmp_path):
    (tmp_path / METRIC_LOG).write_text('{"epoch": 1, "stage": "valid"}\n{"epoch": 2, sta\n')
    with pytest.raises(BadInput, match=METRIC_LOG):
        read_lines(tmp_path)


def test_nan_never_reaches_the_file(tmp_path):
    with pytest.raises(ValueError):
        append_line(tmp_path, 1, "valid", {"dice": float("nan")})
    assert read_lines(tmp_path) == []


def test_dropped_lines_go_to_the_grave(tmp_path):
    for epoch in (1, 2, 3):
        append_line(tmp_path, epoch, "valid", {})
    grave = tmp_path / "redone"
    drop_lines(tmp_path, 2, grave)
    assert [line["epoch"] for line in read_lines(tmp_path)] == [1]
    assert [line["epoch"] for line in read_lines(grave)] == [2, 3]


def test_best_is_chosen_by_validation_never_by_test():
    lines = [valid(1, 0.8), valid(1, 0.1, "test"), valid(2, 0.7), valid(2, 0.99, "test")]
    assert best_epoch(lines, [1, 2], "dice", "max") == 1
    assert best_epoch(lines, [1, 2], "dice", "min") == 2


def test_of_equals_the_later_epoch_is_best():
    lines = [valid(1, 0.8), valid(3, 0.8), valid(2, 0.8)]
    assert best_epoch(lines, [1, 2, 3], "dice", "max") == 3
    assert best_epoch(lines, [1, 2, 3], "dice", "min") == 3


def test_an_epoch_without_weights_cannot_be_best():
    assert best_epoch([valid(1, 0.9), valid(2, 0.5)], [2], "dice", "max") == 2


def test_an_epoch_where_nothing_could_be_scored_is_passed_over():
    lines = [valid(1, None), valid(2, 0.2), valid(3, None), {"epoch": 4, "stage": "valid"}]
    assert best_epoch(lines, [1, 2, 3, 4], "dice", "max") == 2


def test_where_nothing_was_ever_scored_there_is_no_best():
    assert best_epoch([valid(1, None)], [1], "dice", "max") is None
    assert best_epoch([], [1], "dice", "max") is None
