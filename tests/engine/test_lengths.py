"""The README's table of lengths, held: every cell is asked of a made-up run folder."""

import itertools
import json
import re
from pathlib import Path

import pytest
from tests.engine.toy import make_task, train_once

from mos.engine.distributed import Processes
from mos.engine.epochs import plan_epochs
from mos.engine.optimizer import learning_rate_at
from mos.engine.resume import settle
from mos.errors import BadInput
from mos.folders import STATE, WEIGHTS, epoch_folder, epoch_folders
from mos.options import TrainingOptions

PROJECT = Path(__file__).resolve().parents[2]
REDO = {"asked": {"start": 0, "increase": "-5", "epoch_count": 20}, "first": 11, "last": 20}
# Column heads of the README: epochs there, those of them with weights, and what was begun.
STATES = {
    "no run yet": ([], [], None),
    "stopped after 7; weights of 5, 7": (range(1, 8), [5, 7], None),
    "20 done; weights of 10, 18, 20": (range(1, 21), [10, 18, 20], None),
    "redoing 11-20, killed while the old ones move": (
        [*range(1, 11), *range(14, 21)],
        [10, 18, 20],
        REDO | {"aside": False},
    ),
    "redoing 11-20, killed after 17": (range(1, 18), [10, 17], REDO | {"aside": True}),
}


def table(name):
    """The cells of the README's table that speaks of `--increase_epoch`: (row, column) -> text."""
    # A line between tables is a row without a cell that could be taken for one of a table.
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else [""]
        for line in (PROJECT / name).read_text(encoding="utf-8").splitlines()
    ]
    at = next(n for n, row in enumerate(rows) if row[0] == "`COUNT=20`") - 2
    heads = rows[at][1:]
    body = itertools.takewhile(lambda row: re.match(r"`(COUNT|--)", row[0]), rows[at + 2 :])
    return {(row[0].strip("`"), head): cell for row in body for head, cell in zip(heads, row[1:])}


ENGLISH = table("README.md")


def make_run(folder, state):
    """A run folder as the README's column says; returns what its `run.json` would hold."""
    epochs, weights, pending = STATES[state]
    folder.mkdir()
    for epoch in epochs:
        epoch_folder(folder, epoch).mkdir()
    for epoch in weights:
        (epoch_folder(folder, epoch) / WEIGHTS).touch()
        # The best epoch, 5 or 18, keeps weights alone.
        if epoch not in (5, 18):
            (epoch_folder(folder, epoch) / STATE).touch()
    return {"pending": pending and dict(pending), "schedule_epochs": 20 if len(epochs) else None}


def given(row):
    """The options that a row's command sets."""
    name, value = re.fullmatch(r"(?:--)?(\w+)[ =](.+)", row).groups()
    if name == "COUNT":
        return {"epoch_count": int(value)}
    return {"epoch_count": 20, name: value if name == "increase_epoch" else int(value)}


def test_the_table_has_every_state_and_every_option_of_length():
    assert {head for _, head in ENGLISH} == set(STATES)
    rows = {row for row, _ in ENGLISH}
    for start in ("COUNT=", "--increase_epoch 5", "--increase_epoch -5", "--start_epoch 1"):
        assert any(row.startswith(start) for row in rows)
    assert "--increase_epoch fix" in rows and len(ENGLISH) == len(rows) * len(STATES)


def test_both_languages_say_the_same():
    words = {"无": "nothing", "拒绝": "refused"}
    chinese = [(row, words.get(cell, cell)) for (row, _), cell in table("README_zh.md").items()]
    assert chinese == [(row, cell) for (row, _), cell in ENGLISH.items()]


@pytest.mark.parametrize(("row", "state"), ENGLISH, ids=lambda text: text)
def test_the_table_is_what_happens(row, state, tmp_path):
    said, run = ENGLISH[row, state], tmp_path / "run"
    record = make_run(run, state)
    there = sorted(path.name for path in run.iterdir())
    options = TrainingOptions(**given(row))
    if said == "refused":
        with pytest.raises(BadInput, match=row.split()[0]):
            settle(run, options, record)
        if "killed while" not in state:  # a move that was begun is finished first
            assert sorted(path.name for path in run.iterdir()) == there, "a refusal moves nothing"
        return
    plan = settle(run, options, record)
    assert said == (f"{plan.first}-{plan.last}" if plan.first <= plan.last else "nothing")
    assert all(
        epoch < plan.first for epoch in epoch_folders(run)
    ), "what is redone is out of the way"
    kept = {int(path.name[-4:]) for path in run.rglob("epoch-*")}
    assert kept == set(STATES[state][0]), "nothing is lost"
    # Only a training from the first epoch on has a schedule of its own.
    assert record["schedule_epochs"] == (options.epoch_count if plan.first == 1 else 20)

    # Killed before its first epoch and given again, it trains the same.
    again = json.loads((run / "run.json").read_text())
    assert settle(run, options, again) == plan
    assert again["schedule_epochs"] == record["schedule_epochs"]


# A training from epoch 1 begins a schedule of its own.
GOING_ON = [cell for cell, said in ENGLISH.items() if re.match(r"\d+-", said) and said[:2] != "1-"]


@pytest.mark.parametrize(("row", "state"), GOING_ON, ids=lambda text: text)
@pytest.mark.parametrize("kind", ["cosine", "poly", "constant"])
def test_no_command_of_the_table_makes_the_rate_jump(kind, row, state, tmp_path):
    record = make_run(tmp_path / "run", state)
    plan = settle(tmp_path / "run", TrainingOptions(**given(row)), record)
    shape = {"peak": 1.0, "warmup_epochs": 1.0, "kind": kind}
    before = learning_rate_at(plan.resume_from - 0.001, schedule_epochs=20, **shape)
    after = learning_rate_at(plan.resume_from, schedule_epochs=record["schedule_epochs"], **shape)
    assert after <= before and after == pytest.approx(before, abs=1e-3)


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ({}, 2),
        ({"loop": 3}, 6),
        ({"sample_count": 2}, 1),
        ({"batch_size": 1}, 4),
        ({"batch_size": 1, "gradient_accumulation_steps": 2}, 2),
    ],
    ids=str,
)
def test_how_many_steps_an_epoch_has_moves_no_epoch_along_the_schedule(changed, steps, monkeypatch):
    asked = []

    def remember(epoch, **shape):
        asked.append(epoch)
        return learning_rate_at(epoch, **shape)

    monkeypatch.setattr("mos.engine.train.learning_rate_at", remember)
    train_once(make_task(), Processes(), epoch=3, **{"batch_size": 2} | changed)
    assert asked == pytest.approx([2 + step / steps for step in range(steps)])


def test_a_redo_that_was_killed_is_the_one_the_table_speaks_of():
    plan = plan_epochs(done=20, epoch_count=20, increase=-5)
    assert plan.resume_from == 15, "whose weights are gone, so that it goes back to 10"
