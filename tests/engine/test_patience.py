"""When a run stops early: a table of scores and answers."""

from dataclasses import replace

import pytest
import torch
from tests.engine.toy import CPU, Numbers, make_task

from mos.engine import checkpoint
from mos.engine.distributed import Processes
from mos.engine.epochs import EpochPlan
from mos.engine.fit import fit
from mos.engine.patience import why_stop
from mos.options import TrainingOptions


def lines(*scores):
    """Validation lines of epochs 1, 2, ...; a better test score must change nothing."""
    return [
        {"epoch": number, "stage": stage, "error": score if stage == "valid" else -number}
        for number, score in enumerate(scores, 1)
        for stage in ("train", "valid", "test")
    ]


@pytest.mark.parametrize(
    ("scores", "options", "stops"),
    [
        ((3, 2, 2.5, 2.5), {"patience": 2}, True),
        ((3, 2, 2.5, 2.5), {"patience": 3}, False),
        ((3, 2, 2.5, 1.9), {"patience": 1}, False),
        ((3, 3, 3), {"patience": 1}, False),  # of equals the later one is best
        ((1, 2, 3, 4, 5), {}, False),
        ((1, 2, 3, 4, 5), {"patience": 2, "increase_epoch": "3"}, False),
        ((1, 2, 3, 4), {"patience": 3, "start_epoch": 3}, False),
        ((1, 2, 3, 4, 5), {"patience": 3, "start_epoch": 3}, True),
        ((None, None, None), {"patience": 1}, False),  # never a score
        ((1, None, None), {"patience": 2}, True),
    ],
)
def test_a_run_stops_after_so_many_epochs_without_a_better_score(scores, options, stops):
    said = why_stop(lines(*scores), len(scores), "error", "min", TrainingOptions(**options))
    assert bool(said) == stops


def test_the_direction_of_the_score_counts():
    given = lines(0.5, 0.6, 0.7), 3, "error"
    assert why_stop(*given, "max", TrainingOptions(patience=2)) is None
    assert "since epoch 1 (--patience 2)" in why_stop(*given, "min", TrainingOptions(patience=2))


def scored(values):
    """A task whose epochs score what is given, whatever the network learnt."""
    left = iter(values)
    return replace(
        make_task(),
        predict=lambda network, batch: next(left),
        score=lambda answer, batch: {"raw_error": torch.tensor([[answer]])},
        datasets={"train": Numbers((0.0, 1.0)), "valid": Numbers((0.0,)), "test": Numbers(())},
    )


def fitted(run, first, last, values):
    run.mkdir(exist_ok=True)
    return fit(
        scored(values),
        run,
        EpochPlan(first, last),
        schedule_epochs=9,
        options=TrainingOptions(patience=2, batch_size=2, log_every_n_epochs=0),
        machine=CPU,
        processes=Processes(),
    )


def test_the_loop_stops_when_patience_runs_out_and_stays_stopped(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mos.engine.board.Board.scalars", lambda *_: None)
    assert fitted(tmp_path / "whole", 1, 9, [3.0, 2.0, 2.5, 2.5, 0.0]) == 4
    assert checkpoint.last_epoch(tmp_path / "whole") == 4
    assert "no better valid error since epoch 2" in capsys.readouterr().out
    assert fitted(tmp_path / "whole", 5, 9, []) == 4
    # Killed on the way, it ends where it would have.
    assert fitted(tmp_path / "cut", 1, 3, [3.0, 2.0, 2.5]) == 3
    assert fitted(tmp_path / "cut", 4, 9, [2.5, 0.0]) == 4
