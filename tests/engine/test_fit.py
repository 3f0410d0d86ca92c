"""The loop on a toy: stopped and resumed it equals never stopped, and validation alone chooses."""

import json
import os
import threading
import time
from dataclasses import replace

import pytest
import torch
from tests.engine.toy import CPU, Numbers, make_task, weights

from mos.engine import checkpoint, metric_log
from mos.engine.distributed import Processes
from mos.engine.epochs import EpochPlan
from mos.engine.fit import fit
from mos.errors import BadInput
from mos.folders import STATE, WEIGHTS, epoch_folder, metric_file
from mos.options import TrainingOptions

OPTIONS = TrainingOptions(learning_rate=0.05, warmup_epochs=1.0, batch_size=2, log_every_n_epochs=0)


@pytest.fixture(autouse=True)
def no_tensorboard(monkeypatch):
    """Importing TensorBoard takes longer than all tests here together."""
    monkeypatch.setattr("mos.engine.board.Board.scalars", lambda *_: None)


def trained(run, *plans, task=None, options=OPTIONS):
    """Trains each (first, last) in turn, every time with a freshly made network."""
    run.mkdir(exist_ok=True)
    for plan in plans:
        now = task or make_task()
        fit(
            now,
            run,
            EpochPlan(*plan),
            schedule_epochs=6,
            options=options,
            machine=CPU,
            processes=Processes(),
        )
    return now


def scores(run):
    timing = ("seconds", "time", "peak_memory_mib")
    return [
        {key: value for key, value in line.items() if key not in timing}
        for line in metric_log.read_lines(run)
    ]


def test_stopped_and_resumed_equals_never_stopped_bit_for_bit(tmp_path):
    whole = trained(tmp_path / "whole", (1, 6))
    parts = trained(tmp_path / "parts", (1, 2), (3, 5), (6, 6))
    assert weights(whole.network) == weights(parts.network)
    assert scores(tmp_path / "whole") == scores(tmp_path / "parts")


def test_every_epoch_leaves_its_metric_files_and_lines(tmp_path):
    trained(tmp_path, (1, 3))
    for epoch in (1, 2, 3):
        for stage in ("train", "valid"):
            assert metric_file(epoch_folder(tmp_path, epoch), stage).exists()
        assert not metric_file(epoch_folder(tmp_path, epoch), "test").exists(), "test is empty"
    said = [(line["epoch"], line["stage"]) for line in scores(tmp_path)]
    assert said == [(epoch, stage) for epoch in (1, 2, 3) for stage in ("train", "valid")]
    table = checkpoint.load_table(metric_file(epoch_folder(tmp_path, 3), "valid"))
    assert table["case"] == ["case-0", "case-1", "case-2"] and table["raw_error"].shape == (3, 1)


def with_scores(valid, test):
    """A task whose epochs score what is given, whatever the network learnt."""
    values = {"valid": iter(valid), "test": iter(test)}
    task = make_task()
    datasets = {name: Numbers((0.0,)) for name in ("train", "valid", "test")}
    for name in values:
        datasets[name].batch = lambda indices, seeds, name=name: {"which": name}
    return replace(
        task,
        datasets=datasets,
        predict=lambda network, batch: next(values[batch["which"]]),
        score=lambda answer, batch: {"raw_error": torch.tensor([[answer]])},
    )


def test_best_is_chosen_by_validation_and_keeps_its_weights(tmp_path):
    trained(tmp_path, (1, 4), task=with_scores([3.0, 1.0, 2.0, 4.0], [9.0, 9.0, 0.0, 9.0]))
    assert os.readlink(tmp_path / "best") == "epoch-0002"
    assert os.readlink(tmp_path / "latest") == "epoch-0004"
    assert checkpoint.stored_epochs(tmp_path) == [2, 4]


def test_an_epoch_where_nothing_could_be_scored_does_not_stop_a_later_one_from_being_best(tmp_path):
    nan = float("nan")
    trained(tmp_path, (1, 4), task=with_scores([nan, 2.0, nan, nan], [0.0] * 4))
    assert os.readlink(tmp_path / "best") == "epoch-0002"
    for text in (tmp_path / "metric.jsonl").read_text().splitlines():
        assert "NaN" not in text and json.loads(text)


def test_without_validation_best_is_the_latest(tmp_path):
    trained(tmp_path, (1, 3), task=make_task(valid=()))
    assert os.readlink(tmp_path / "best") == os.readlink(tmp_path / "latest") == "epoch-0003"


def test_an_epoch_saved_but_not_scored_is_scored_on_the_next_start(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    trained(whole, (1, 3))
    trained(cut, (1, 3))
    metric_file(epoch_folder(cut, 3), "valid").unlink()
    lines = (cut / "metric.jsonl").read_text().splitlines(keepends=True)
    (cut / "metric.jsonl").write_text("".join(lines[:-2]))
    trained(cut, (4, 3))
    assert scores(whole) == scores(cut)
    assert os.readlink(whole / "best") == os.readlink(cut / "best")


def test_starting_a_finished_run_again_changes_nothing(tmp_path):
    trained(tmp_path, (1, 3))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and not p.is_symlink()}
    trained(tmp_path, (4, 3))
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and not p.is_symlink()}
    assert before == after


def test_a_loss_that_is_not_finite_keeps_the_last_whole_epoch(tmp_path):
    trained(tmp_path, (1, 2))
    broken = make_task(train=(0.0, float("nan"), 1.0))
    with pytest.raises(BadInput, match="epoch 3, batch .* case-1"):
        trained(tmp_path, (3, 4), task=broken)
    assert checkpoint.last_epoch(tmp_path) == 2
    assert (epoch_folder(tmp_path, 2) / WEIGHTS).exists()
    assert os.readlink(tmp_path / "latest") == "epoch-0002"


def test_a_full_disk_while_saving_keeps_the_last_whole_epoch_and_the_run_goes_on(
    tmp_path, monkeypatch
):
    run, whole = tmp_path / "run", tmp_path / "whole"
    trained(run, (1, 2))
    with monkeypatch.context() as full:
        full.setattr("mos.engine.checkpoint.save_file", _no_space)
        with pytest.raises(BadInput, match="the disk is full"):
            trained(run, (3, 4))
    assert checkpoint.last_epoch(run) == 2
    resumed, never_stopped = trained(run, (3, 4)), trained(whole, (1, 4))
    assert weights(resumed.network) == weights(never_stopped.network)


def _no_space(*_, **__):
    raise OSError(28, "No space left on device")


def test_an_epoch_whose_moments_were_thinned_out_can_be_gone_on_from(tmp_path, capsys):
    trained(tmp_path, (1, 2))
    (epoch_folder(tmp_path, 2) / STATE).unlink()
    trained(tmp_path, (3, 3))
    assert "epoch 2" in capsys.readouterr().out
    assert checkpoint.last_epoch(tmp_path) == 3


def test_the_learning_rate_given_on_resuming_counts(tmp_path):
    trained(tmp_path, (1, 3))
    trained(tmp_path, (4, 4), options=replace(OPTIONS, learning_rate=0.5))
    rates = [line["learning_rate"] for line in scores(tmp_path) if line["stage"] == "train"]
    assert rates[3] > rates[2]


def test_an_epoch_is_scored_while_it_is_written_and_nothing_enters_its_folder_before(
    tmp_path, monkeypatch
):
    scored, written, save = threading.Event(), [], checkpoint.save_epoch

    def slow(run, epoch, *rest):
        assert scored.wait(10), "scoring waited for the epoch to be written"
        written.append(sorted(path.name for path in run.glob("epoch-*/*-metrics.pt")))
        save(run, epoch, *rest)

    def scoring(answer, batch):
        scored.set()
        return {"raw_error": (answer - batch["y"]).abs()}

    monkeypatch.setattr(checkpoint, "save_epoch", slow)
    trained(tmp_path, (1, 1), task=replace(make_task(), score=scoring))
    assert written == [[]]
    assert [line["stage"] for line in scores(tmp_path)] == ["train", "valid"]


def test_training_goes_on_only_when_the_epoch_is_written(tmp_path, monkeypatch):
    """Nothing is copied before it is written, so the next step would change what is stored."""
    plain, late, save = tmp_path / "plain", tmp_path / "late", checkpoint.save_epoch
    trained(plain, (1, 3), task=make_task(valid=()))

    def slow(*given):
        time.sleep(0.05)
        save(*given)

    monkeypatch.setattr(checkpoint, "save_epoch", slow)
    trained(late, (1, 3), task=make_task(valid=()))
    for name in (WEIGHTS, STATE):
        stored = [(epoch_folder(run, 3) / name).read_bytes() for run in (plain, late)]
        assert name == STATE or stored[0] == stored[1]
    first, second = (checkpoint.load_state(epoch_folder(run, 3)) for run in (plain, late))
    moments = [state["optimizer"]["state"][0]["exp_avg"].tolist() for state in (first, second)]
    assert moments[0] == moments[1]


def test_an_epoch_whose_scoring_is_stopped_is_whole_when_the_lock_is_given_back(
    tmp_path, monkeypatch
):
    save = checkpoint.save_epoch

    def slow(*given):
        time.sleep(0.05)
        save(*given)

    def stopped(answer, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_epoch", slow)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, (1, 1), task=replace(make_task(), score=stopped))
    assert checkpoint.last_epoch(tmp_path) == 1
    monkeypatch.setattr(checkpoint, "save_epoch", save)
    trained(tmp_path, (2, 1))
    assert [line["stage"] for line in scores(tmp_path)] == ["train", "valid"]
