"""One epoch of steps, followed by hand."""

import pytest
import torch
from tests.engine.toy import close, make_task, squared_error, train_once, weights
from torch import nn

from mos.engine.distributed import Processes
from mos.errors import BadInput

ALONE = Processes()


def test_an_epoch_lowers_the_loss_and_says_what_it_did():
    task = make_task()
    first = train_once(task, ALONE, batch_size=2)[1]["loss"]
    for epoch in range(2, 30):
        table, line = train_once(task, ALONE, batch_size=2, epoch=epoch)
    assert line["loss"] < first / 2
    assert line["samples"] == 4 and line["seconds"] >= 0 and line["peak_memory_mib"] > 0
    assert table["epoch_losses"].shape == (2,)
    assert line["loss"] == pytest.approx(float(table["epoch_losses"].mean()))


def test_two_batches_of_two_step_like_one_of_four():
    whole, parts = make_task(), make_task()
    train_once(whole, ALONE, batch_size=4)
    train_once(parts, ALONE, batch_size=2, gradient_accumulation_steps=2)
    assert close(weights(whole.network), weights(parts.network))


def test_a_last_group_that_is_shorter_is_averaged_over_what_it_has():
    task, twin = make_task(train=(0.0, 1.0, 2.0)), make_task(train=(0.0, 1.0, 2.0))
    train_once(task, ALONE, batch_size=1, gradient_accumulation_steps=3)
    train_once(twin, ALONE, batch_size=1, gradient_accumulation_steps=99)
    assert close(weights(task.network), weights(twin.network))


def test_a_batch_of_one_trains():
    task = make_task()
    before = weights(task.network)
    table, _ = train_once(task, ALONE, batch_size=1)
    assert len(table["epoch_losses"]) == 4
    assert not close(before, weights(task.network))


def test_the_same_epoch_gives_the_same_weights_bit_for_bit():
    def dropped(network, batch):
        return squared_error(nn.Sequential(nn.Dropout(0.5), network), batch)

    tasks = [make_task(loss=dropped) for _ in range(2)]
    for number, task in enumerate(tasks):
        torch.manual_seed(number)  # what happened before an epoch must not matter
        train_once(task, ALONE, batch_size=2)
    assert weights(tasks[0].network) == weights(tasks[1].network)
    assert tasks[0].datasets["train"].asked == tasks[1].datasets["train"].asked


def test_a_large_gradient_is_clipped():
    free, clipped = make_task(train=(1000.0,)), make_task(train=(1000.0,))
    norms = []
    for task in (free, clipped):
        for parameter in task.network.parameters():
            parameter.register_post_accumulate_grad_hook(lambda p: None)
    original = torch.nn.utils.clip_grad_norm_

    def watched(parameters, most):
        parameters = list(parameters)
        original(parameters, most)
        norms.append(float(sum((p.grad**2).sum() for p in parameters) ** 0.5))

    torch.nn.utils.clip_grad_norm_ = watched
    try:
        train_once(free, ALONE, gradient_clip=0.0)
        assert norms == []
        train_once(clipped, ALONE, gradient_clip=2.0)
    finally:
        torch.nn.utils.clip_grad_norm_ = original
    assert norms == [pytest.approx(2.0, rel=1e-3)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_and_names_epoch_batch_and_cases(bad):
    task = make_task(train=(0.0, 1.0, bad, 3.0))
    with pytest.raises(BadInput) as stopped:
        train_once(task, ALONE, batch_size=1, epoch=6)
    indices = [asked for asked, _ in task.datasets["train"].asked]
    assert indices[-1] == [2], "nothing is trained on after the bad batch"
    message = str(stopped.value)
    assert f"epoch 6, batch {len(indices)}" in message
    assert "cases: case-2" in message and "--learning_rate 0.01" in message


def test_a_loss_that_is_not_finite_never_reaches_the_weights():
    task = make_task(train=(float("nan"),))
    before = weights(task.network)
    with pytest.raises(BadInput):
        train_once(task, ALONE)
    assert weights(task.network) == before


def test_every_part_of_the_loss_is_logged():
    def two_parts(network, batch):
        loss = squared_error(network, batch)["loss"]
        return {"loss": 3 * loss, "first": loss, "second": 2 * loss}

    table, line = train_once(make_task(loss=two_parts), ALONE, batch_size=2)
    assert set(table) == {"epoch_losses", "first", "second"}
    assert line["loss"] == pytest.approx(line["first"] + line["second"])


def test_the_rate_of_the_line_is_that_of_the_last_step():
    _, line = train_once(
        make_task(), ALONE, batch_size=1, epoch=2, warmup_epochs=4.0, learning_rate=1.0
    )
    assert line["learning_rate"] == pytest.approx(0.1 + 0.9 * 1.75 / 4)


def test_the_loop_goes_through_the_set_that_often():
    task = make_task()
    _, line = train_once(task, ALONE, batch_size=2, loop=3)
    asked = sorted(i for indices, _ in task.datasets["train"].asked for i in indices)
    assert line["samples"] == 12 and asked == sorted([0, 1, 2, 3] * 3)
