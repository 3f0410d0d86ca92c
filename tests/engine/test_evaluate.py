"""Scoring a split: rows in dataset order, means that say what they leave out."""

import math
import threading
from dataclasses import replace

import pytest
import torch
from tests.engine.toy import CPU, make_task

from mos.engine.distributed import Processes
from mos.engine.evaluate import evaluate, summarise
from mos.errors import BadInput

NAN, INF = math.nan, math.inf


class Second(Processes):
    """Rank 1 of 2 whose fellow's rows are at hand: what `gather` brings together."""

    def gather(self, value):
        object.__setattr__(self, "sent", value)
        return [value]


def test_rows_follow_the_dataset():
    task = make_task(valid=(9.0, 5.0, 7.0))
    table = evaluate(task, "valid", CPU, Processes())
    with torch.no_grad():
        wanted = [
            abs(float(task.network(torch.tensor([[x]]))) - (2 * x + 1)) for x in (9.0, 5.0, 7.0)
        ]
    assert table["raw_error"].shape == (3, 1)
    assert table["error"].tolist() == pytest.approx(wanted)
    assert table["worst"] == pytest.approx(max(wanted))
    assert table["case"] == ["case-0", "case-1", "case-2"]
    assert table["patient"] == ["patient-0", "patient-0", "patient-1"]


def test_each_process_takes_its_turn_and_no_case_is_done_twice():
    task = make_task(valid=tuple(float(i) for i in range(5)))
    parts = []
    for rank in (0, 1):
        one = Second(rank, 2)
        evaluate(task, "valid", CPU, one)
        parts.append([index for index, _ in one.sent])
    assert parts == [[0, 2, 4], [1, 3]]

    class Both(Processes):
        def gather(self, value):
            return [value, *others]

    other = Second(1, 2)
    evaluate(task, "valid", CPU, other)
    others = [other.sent]
    together = evaluate(task, "valid", CPU, Both(0, 2))
    alone = evaluate(task, "valid", CPU, Processes())
    assert together["case"] == alone["case"]
    assert torch.equal(together["raw_error"], alone["raw_error"])


def test_the_network_is_judged_in_evaluation_mode_and_without_gradients():
    task = make_task()
    seen = []
    task.network.register_forward_hook(
        lambda module, _, out: seen.append((module.training, out.requires_grad))
    )
    task.network.train()
    evaluate(task, "valid", CPU, Processes())
    assert set(seen) == {(False, False)}


def test_an_empty_split_has_an_empty_table():
    assert evaluate(make_task(), "test", CPU, Processes()) == {}


def test_means_are_of_finite_values_and_say_how_many_were_left_out():
    table = {
        "dice": torch.tensor([0.5, NAN, 0.7], dtype=torch.float64),
        "hd": torch.tensor([2.0, INF, INF]),
        "iou": torch.tensor([0.1, 0.2, 0.3]),
        "raw_dice": torch.zeros(3, 4),
        "missed": torch.tensor(2),
        "case": ["a", "b", "c"],
    }
    line = summarise(table)
    assert line["dice"] == pytest.approx(0.6)
    assert line["hd"] == pytest.approx(2.0)
    assert line["iou"] == pytest.approx(0.2)
    assert line["left_out"] == {"dice": 1, "hd": 2}
    assert (line["missed"], line["cases"]) == (2, 3)
    assert "raw_dice" not in line


def test_one_empty_case_does_not_turn_the_mean_into_nan():
    line = summarise({"dice": torch.tensor([NAN, 0.5]), "case": ["a", "b"]})
    assert line["dice"] == 0.5


def test_a_metric_that_is_finite_nowhere_is_none():
    line = summarise({"hd": torch.tensor([INF, NAN]), "all": torch.tensor(NAN), "case": ["a", "b"]})
    assert line["hd"] is None and line["all"] is None
    assert line["left_out"] == {"hd": 2}


def test_nothing_left_out_is_not_mentioned():
    assert "left_out" not in summarise({"dice": torch.tensor([0.5]), "case": ["a"]})


def test_a_case_is_scored_while_the_network_has_the_next_one():
    """Each waits for the other: one after the other, they would wait for ever."""
    next_has_begun = threading.Event()
    task = make_task(valid=(1.0, 2.0))
    asked = []

    def predict(network, batch):
        asked.append(float(batch["x"]))
        if len(asked) == 2:
            next_has_begun.set()
        return network(batch["x"])

    def score(answer, batch):
        assert next_has_begun.wait(20), "the next case was not begun"
        assert not torch.is_grad_enabled()
        return {"raw_error": (answer - batch["y"]).abs()}

    table = evaluate(replace(task, predict=predict, score=score), "valid", CPU, Processes())
    plain = evaluate(task, "valid", CPU, Processes())
    assert torch.equal(table["raw_error"], plain["raw_error"])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_goes_wrong_in_scoring_is_told_wherever_it_happens(place):
    task = make_task(valid=(0.0, 1.0, 2.0))

    def score(answer, batch):
        if float(batch["x"]) == place:
            raise BadInput(f"case {place} is broken")
        return {"raw_error": answer}

    with pytest.raises(BadInput, match=f"case {place} is broken"):
        evaluate(replace(task, score=score), "valid", CPU, Processes())
