"""The profiler: shares that add up, a schedule that fits, traces that stay small, results that do not change."""

import gzip
import json

import pytest
import torch
from tests.engine.test_fit import OPTIONS, no_tensorboard, scores, trained, weights  # noqa: F401
from tests.engine.toy import CPU, make_task

from mos.engine.epochs import EpochPlan
from mos.engine.profile_table import epochs_text, report, report_text
from mos.engine.profiler import Off, make_profiler, stages_of
from mos.engine.stopwatch import Stopwatch
from mos.engine.trace import operators, read_trace
from mos.timing import listened, phase


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_the_time_of_an_inner_phase_is_not_the_outer_ones_and_the_parts_are_the_whole():
    clock = Clock()
    watch = Stopwatch(clock=clock)
    clock.now += 1
    with watch.phase("data"):
        clock.now += 2
        with watch.phase("augmentation"):
            clock.now += 4
            with watch.phase("data"):
                clock.now += 8
        clock.now += 16
    clock.now += 32
    assert watch.read() == {"other": 33, "data": 26, "augmentation": 4}


def test_a_phase_that_fails_is_closed():
    clock = Clock()
    watch = Stopwatch(clock=clock)
    with pytest.raises(ZeroDivisionError), watch.phase("saving"):
        clock.now += 1
        1 / 0
    assert not watch.inside
    clock.now += 2
    assert watch.read() == {"saving": 1, "other": 2}


def test_phases_are_heard_only_while_somebody_listens():
    watch = Stopwatch()
    with phase("data"):
        pass
    with listened(watch.phase):
        with phase("forward"):
            pass
    with phase("backward"):
        pass
    assert set(watch.read()) == {"forward", "other"}


def test_unheard_phases_and_a_profiler_that_is_off_cost_next_to_nothing(tmp_path):
    import timeit

    off = make_profiler(False, tmp_path / "logs", EpochPlan(1, 9), CPU)
    assert isinstance(off, Off) and not (tmp_path / "logs").exists()

    network = torch.nn.Identity()

    def both():
        with off.epoch(1), off.part("train", network), phase("data"):
            pass

    assert min(timeit.repeat(both, number=100, repeat=5)) / 100 < 1e-4


@pytest.mark.parametrize(
    ("first", "last", "stages"),
    [
        (1, 0, ""),
        (1, 1, "record"),
        (1, 2, "time record"),
        (1, 3, "wait time record"),
        (4, 7, "wait time record record"),
        (1, 5, "wait time record record record"),
        (11, 40, "wait time record record record"),
    ],
)
def test_the_schedule_takes_what_epochs_there_are(first, last, stages):
    found = stages_of(first, last)
    assert list(found) == list(range(first, first + len(stages.split())))
    assert list(found.values()) == stages.split()


def test_a_start_too_short_for_the_schedule_says_so_and_how_to_mend_it():
    assert epochs_text(stages_of(1, 9)) == (
        "epoch 1 is left alone, epoch 2 is timed, epochs 3-5 are recorded"
    )
    short = epochs_text(stages_of(3, 4))
    assert "epoch 3 is timed, epoch 4 is recorded" in short
    assert "takes 5 epochs and this start trains 2" in short and "--increase_epoch 5" in short
    assert "nothing to train" in epochs_text(stages_of(3, 2))


def found(*epochs):
    """What a profiler holds after these (stage, phases) epochs, with one recording of two steps each."""
    ops = [{"name": f"op{n}", "calls": 2 * n, "ms": float(n)} for n in range(1, 13)]
    record = {"part": "train", "trace": "x", "steps": 2, "operators": ops}
    return {
        "machine": CPU.record(),
        "epochs": [
            {"epoch": n, "stage": stage, "seconds": sum(phases.values()), "phases": phases}
            for n, (stage, phases) in enumerate(epochs, 2)
        ],
        "recordings": [record | {"epoch": 3}, record | {"epoch": 4}],
    }


def test_shares_come_from_the_epoch_that_was_not_slowed_by_a_recording():
    timed = {"data": 1.0, "backward": 2.0, "other": 1.0}
    table = report(found(("time", timed), ("record", {"data": 9.0, "recording": 50.0})))
    assert table["measured_epochs"] == [2] and table["seconds"] == 4
    assert table["shares"]["backward"] == {"seconds": 2, "share": 0.5}
    assert "recording" not in table["shares"] and table["recording_seconds"] == 0
    assert sum(one["share"] for one in table["shares"].values()) == pytest.approx(1)


def test_the_ten_costliest_operators_are_those_of_all_recordings_per_step():
    table = report(found(("time", {"other": 1.0})))["operators"]["train"]
    assert [one["name"] for one in table] == [f"op{n}" for n in range(12, 2, -1)]
    assert (table[0]["calls_per_step"], table[0]["ms_per_step"]) == (12, 6)
    assert table[0]["share"] == pytest.approx(12 / sum(range(1, 13)))


def test_the_text_opens_with_the_sentence_and_says_what_slowed_the_measurement():
    whole = found(("time", {"data": 1.0, "scoring": 3.0}))
    text = report_text(whole | report(whole))
    assert "most of the time went to scoring (metrics) (75%); waiting for data took 25%" in text
    assert "recording them took" not in text
    alone = found(("record", {"forward": 1.0, "recording": 3.0}))
    said = report_text(alone | report(alone))
    assert "recording them took 3.0 s" in said
    assert "most of the time went to forward, with loss (100%)" in said


def event(name, start, length, cat="cpu_op", thread=1, number=0):
    place = {"ts": start, "dur": length, "pid": 7, "tid": thread}
    return {"ph": "X", "cat": cat, "name": name, "args": {"External id": number}, **place}


def by_name(table):
    return {one["name"]: (one["calls"], one["ms"]) for one in table}


def test_an_operators_own_time_is_without_the_operators_it_called_on_its_thread():
    events = [
        event("forward", 0, 9000, cat="user_annotation"),
        event("conv", 0, 5000),
        event("pad", 1000, 1000),
        event("pad", 2000, 500),
        event("conv", 5000, 1000),
        event("add", 0, 3000, thread=2),
        {"ph": "M", "name": "process_name"},
    ]
    assert by_name(operators(events, "cpu")) == {"conv": (2, 4.5), "pad": (2, 1.5), "add": (1, 3.0)}


def test_on_a_gpu_an_operators_time_is_that_of_its_kernels():
    events = [
        event("conv", 0, 50, number=3),
        event("add", 60, 9000, number=4),
        event("implicit_gemm", 500, 7000, cat="kernel", thread=99, number=3),
        event("nobody's", 500, 1000, cat="kernel", thread=99, number=8),
        event("copy", 8000, 2000, cat="gpu_memcpy", thread=99, number=4),
    ]
    assert by_name(operators(events, "cuda")) == {"conv": (1, 7.0), "add": (1, 2.0)}


def test_own_times_are_those_that_torch_counts(tmp_path):
    layers = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as trace:
        layers(torch.rand(2, 1, 8, 8)).sum().backward()
    path = tmp_path / "x.json.gz"
    trace.export_chrome_trace(str(path))
    torchs = {one.key: (one.count, one.self_cpu_time_total / 1000) for one in trace.key_averages()}
    ours = by_name(operators(read_trace(path), "cpu"))
    assert ours.keys() == torchs.keys()
    for name, (calls, ms) in ours.items():
        assert (calls, pytest.approx(ms, abs=0.02)) == torchs[name], name


def test_a_profiled_run_equals_one_that_was_not_and_leaves_small_traces(tmp_path, capsys):
    from dataclasses import replace

    many = lambda: make_task(
        train=tuple(x / 30 for x in range(60))
    )  # noqa: E731  30 steps an epoch

    profiled = replace(OPTIONS, use_profile=True)
    a = trained(tmp_path / "a", (1, 6), task=many())
    b = trained(tmp_path / "b", (1, 6), task=many(), options=profiled)
    assert weights(a.network) == weights(b.network)
    assert scores(tmp_path / "a") == scores(tmp_path / "b")
    logs = tmp_path / "b" / "logs"
    traces = sorted(path.name for path in logs.glob("*.pt.trace.json.gz"))
    assert traces == [
        f"epoch-000{n}-{part}.pt.trace.json.gz" for n in (3, 4, 5) for part in ("evaluate", "train")
    ]
    events = json.loads(gzip.open(logs / "epoch-0005-train.pt.trace.json.gz").read())["traceEvents"]
    names = [event.get("name", "") for event in events]
    assert sum(name.startswith("ProfilerStep#") for name in names) == 10
    assert names.count("backward") == 10, "20 of the 30 steps are not in the trace"
    assert {"forward", "optimiser", "data"} <= set(names)
    whole = json.loads((logs / "profile.json").read_text())
    assert whole["measured_epochs"] == [2]
    told = capsys.readouterr().out
    assert (logs / "profile.txt").read_text() in told and "aten::" in told


def test_a_recording_cut_off_by_an_error_leaves_nothing_behind_and_the_next_one_works(tmp_path):
    profiler = make_profiler(True, tmp_path, EpochPlan(1, 1), CPU)
    with pytest.raises(ZeroDivisionError):
        with profiler.epoch(1), profiler.part("train", torch.nn.Identity()), phase("data"):
            1 / 0
    assert list(tmp_path.iterdir()) == []
    again = make_profiler(True, tmp_path, EpochPlan(1, 1), CPU)
    with again.epoch(1), again.part("train", torch.nn.Identity()), phase("data"):
        torch.ones(3).sum()
    assert (tmp_path / "epoch-0001-train.pt.trace.json.gz").exists()


def test_a_volume_of_many_windows_does_not_make_a_large_trace(tmp_path):
    network = torch.nn.Linear(1, 1)
    profiler = make_profiler(True, tmp_path, EpochPlan(1, 1), CPU)
    with profiler.epoch(1), profiler.part("evaluate", network):
        with phase("data"):
            image = torch.ones(1, 1)
        with phase("inference"):
            for _ in range(500):
                network(image)
    events = read_trace(tmp_path / "epoch-0001-evaluate.pt.trace.json.gz")
    assert sum(event.get("name") == "aten::linear" for event in events) == 20
    assert not network._forward_pre_hooks


def test_the_measured_time_is_that_of_the_wall(tmp_path):
    import time

    profiler = make_profiler(True, tmp_path, EpochPlan(1, 2), CPU)
    started = time.perf_counter()
    with profiler.epoch(1):
        with phase("data"):
            time.sleep(0.05)
        time.sleep(0.05)
        passed = time.perf_counter() - started
    shares = json.loads((tmp_path / "profile.json").read_text())["shares"]
    assert sum(one["seconds"] for one in shares.values()) == pytest.approx(passed, abs=0.02)
    assert shares["data"]["seconds"] >= 0.05 and shares["other"]["seconds"] >= 0.05
