"""One epoch of steps, followed by hand."""

from dataclasses import replace

import pytest
import torch
from tests.engine.toy import close, make_task, squared_error, train_once, weights
from torch import nn

from mos.engine.distributed import Processes
from mos.engine.order import Pool
from mos.engine.train import _mean_over_processes
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


def of_small_numbers(network, batch):
    """The squared error, and that of the cases below 2 alone: their sum and number."""
    errors = (network(batch["x"]) - batch["y"]) ** 2
    small = batch["x"] < 2
    part = torch.stack([errors[small].sum(), small.sum().float()])
    return {"loss": errors.mean(), "loss[small]": part.detach()}


def test_what_only_some_cases_have_is_their_mean_however_they_fall_into_batches():
    lines = []
    for batch_size in (1, 2, 3, 4):
        task = make_task(loss=of_small_numbers)
        table, line = train_once(task, ALONE, batch_size=batch_size, learning_rate=1e-30)
        lines.append(line["loss[small]"])
        assert table["loss[small]"].shape == table["epoch_losses"].shape
    assert lines == pytest.approx([lines[0]] * 4)
    alone = train_once(make_task(train=(0.0, 1.0)), ALONE, batch_size=2, learning_rate=1e-30)
    assert lines[0] == pytest.approx(alone[1]["loss"])
    table, _ = train_once(make_task(loss=of_small_numbers), ALONE, batch_size=1)
    assert table["loss[small]"].isnan().sum() == 2, "batches without such a case"


def test_what_only_some_cases_have_is_their_mean_over_processes_too():
    class Two(Processes):
        def gather(self, value):
            return [value, theirs]

    mine = [{"loss": torch.tensor(1.0), "loss[a]": torch.tensor([6.0, 3.0])}]
    theirs = {"loss": torch.tensor([3.0]), "loss[a]": torch.tensor([[0.0, 0.0]])}
    table, line = _mean_over_processes(mine, Two())
    assert line == {"loss": 2.0, "loss[a]": 2.0} and table["loss[a]"].tolist() == [2.0]


def test_every_batch_holds_cases_of_every_pool():
    task = replace(make_task(train=tuple(map(float, range(12)))), pools=(Pool(10), Pool(2)))
    _, line = train_once(task, ALONE, batch_size=4)
    asked = [indices for indices, _ in task.datasets["train"].asked]
    assert line["samples"] == 20 and len(asked) == 5
    assert all(sum(index >= 10 for index in batch) == 2 for batch in asked)
