"""`--use_profile`: where the time of an epoch goes, and a trace of what was computed.

The schedule is that of five epochs: the first is left alone (memory and kernels are chosen then), the
second is timed phase by phase with nothing else watching, the next three are recorded by torch.profiler.
A recording slows what it records; that is why the shares of time come from the second. Of each recorded
epoch the first `TRAIN_STEPS` steps are in one trace and the saving and the first `SCORED_CASES` scored
cases in another, neither longer than `PASSES` passes through the network: so a trace stays small however
long an epoch is and however many windows a volume has. With several processes rank 0 is
profiled. A shorter run drops the waiting first, then the timing of its own, and says so.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from mos.engine.device import Machine
from mos.engine.epochs import EpochPlan
from mos.engine.profile_table import RECORDING, epochs_text, report, report_text
from mos.engine.stopwatch import Stopwatch
from mos.engine.trace import operators, read_trace
from mos.files import atomic_path, sweep_temporaries, write_json, write_text
from mos.folders import PROFILE, TRACE_SUFFIX
from mos.timing import listened

WAIT, TIME, RECORD = "wait", "time", "record"
RECORDED_EPOCHS = 3
TRAIN_STEPS = 10
SCORED_CASES = 1
PASSES = 20
TRAIN, EVALUATE = "train", "evaluate"
_LIMITS = {TRAIN: TRAIN_STEPS, EVALUATE: SCORED_CASES}


class Profile(Protocol):
    """What the loop says to a profiler, whether there is one or not."""

    def epoch(self, number: int) -> AbstractContextManager:
        """An epoch, from its first batch to its last score."""
        ...

    def part(self, name: str, network: nn.Module) -> AbstractContextManager:
        """A part of the epoch that gets a trace of its own: `train` or `evaluate`."""
        ...


class Off:
    """Nobody watches."""

    def epoch(self, number: int) -> AbstractContextManager:
        return nullcontext()

    def part(self, name: str, network: nn.Module) -> AbstractContextManager:
        return nullcontext()


def make_profiler(wanted: bool, logs: Path, plan: EpochPlan, machine: Machine) -> Profile:
    """The profiler of this start; it prints which epochs it will look at."""
    if not wanted:
        return Off()
    stages = stages_of(plan.first, plan.last)
    print(f"profile  {epochs_text(stages)}", flush=True)
    return Profiler(logs, stages, machine) if stages else Off()


def stages_of(first: int, last: int) -> dict[int, str]:
    """What is done with the epochs `first` to `last`; those behind the schedule are not in it.

    1 wait, 1 time, 3 record; of fewer epochs what fits, the recording last to go.
    """
    count = max(0, last - first + 1)
    stages = [WAIT] * (count >= 3) + [TIME] * (count >= 2)
    stages += [RECORD] * min(RECORDED_EPOCHS, count - len(stages))
    return dict(zip(range(first, last + 1), stages))


class Profiler:
    """Times and records the epochs of `stages`, and writes what it found after each of them."""

    def __init__(self, logs: Path, stages: Mapping[int, str], machine: Machine):
        self._logs = logs
        self._stages = stages
        self._machine = machine
        self._number = 0
        self._watch = Stopwatch()
        self._recording: _Recording | None = None
        self._found: dict[str, Any] = {
            "machine": machine.record(),
            "stages": {str(number): stage for number, stage in stages.items()},
            "trace_limits": {
                "train_steps": TRAIN_STEPS,
                "scored_cases": SCORED_CASES,
                "passes": PASSES,
            },
            "epochs": [],
            "recordings": [],
        }
        # What a killed start left of a trace would be offered by TensorBoard.
        sweep_temporaries(logs)

    @contextmanager
    def epoch(self, number: int) -> Iterator[None]:
        """Times the epoch if it is its turn; `part` records in it if it is its turn for that."""
        self._number = number
        stage = self._stages.get(number, WAIT)
        if stage == WAIT:
            yield
            return
        self._watch = Stopwatch(_waiting_for(self._machine))
        with listened(self._phase):
            yield
        phases = self._watch.read()
        one = {"epoch": number, "stage": stage, "seconds": sum(phases.values()), "phases": phases}
        self._found["epochs"].append(one)
        if stage == TIME:
            # The first recording of a process sets things up: it is thrown away.
            _Recording(self._machine, TRAIN, 1).stop()
        whole = self._found | report(self._found)
        text = report_text(whole)
        write_json(self._logs / f"{PROFILE}.json", whole)
        write_text(self._logs / f"{PROFILE}.txt", text)
        if number == max(self._stages):
            print(f"{text}written to {self._logs}; cmd/profile opens it")

    @contextmanager
    def part(self, name: str, network: nn.Module) -> Iterator[None]:
        """Records the beginning of what is done inside, in an epoch whose turn it is."""
        if self._stages.get(self._number) != RECORD:
            yield
            return
        with self._watch.phase(RECORDING):
            self._recording = _Recording(self._machine, name, _LIMITS[name])
        hook = network.register_forward_pre_hook(self._pass)
        try:
            yield
            self._keep()
        finally:
            hook.remove()
            if self._recording is not None:  # stopped in the middle: there is nothing to keep
                self._recording.stop()
                self._recording = None

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """A phase is timed, and marked in the trace; each batch that is asked for begins a step."""
        if name == "data" and not self._watch.inside and self._recording is not None:
            if not self._recording.next_step():
                self._keep()
        marked = torch.profiler.record_function(name) if self._recording else nullcontext()
        with self._watch.phase(name), marked:
            yield

    def _pass(self, *_: Any) -> None:
        """The network is about to be used: the last thing that can end a recording of many windows."""
        if self._recording is not None and not self._recording.next_pass():
            self._keep()

    def _keep(self) -> None:
        """Ends the recording and writes its trace; nothing happens when that is done already."""
        if self._recording is None:
            return
        done, self._recording = self._recording, None
        with self._watch.phase(RECORDING):
            done.stop()
            name = f"epoch-{self._number:04d}-{done.part}{TRACE_SUFFIX}"
            with atomic_path(self._logs / name) as path:
                done.trace.export_chrome_trace(str(path))
            device = self._machine.device.type
            self._found["recordings"].append(
                {
                    "epoch": self._number,
                    "part": done.part,
                    "trace": name,
                    "steps": done.steps,
                    "operators": operators(read_trace(self._logs / name), device),
                }
            )


class _Recording:
    """A running torch.profiler that knows how many steps it may see."""

    def __init__(self, machine: Machine, part: str, limit: int):
        # Its messages (`profiler_start`, no GPU here) tell a user nothing.
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
        activities = [torch.profiler.ProfilerActivity.CPU]
        if machine.device.type == "cuda":
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        self.part = part
        self.steps = 0
        self._passes = 0
        self._limit = limit
        self.trace = torch.profiler.profile(
            activities=activities,
            schedule=lambda step: torch.profiler.ProfilerAction.RECORD,
            record_shapes=True,
            with_stack=True,
        )
        self.trace.start()

    def next_step(self) -> bool:
        """Begins a step; False when there were as many as it may see."""
        if self.steps == self._limit:
            return False
        if self.steps:
            self.trace.step()
        self.steps += 1
        return True

    def next_pass(self) -> bool:
        """Begins a pass through the network; False when there were as many as it may see."""
        self._passes += 1
        return self._passes <= PASSES

    def stop(self) -> None:
        self.trace.stop()


def _waiting_for(machine: Machine) -> Callable[[], None]:
    if machine.device.type == "cuda":
        return lambda: torch.cuda.synchronize(machine.device)
    return lambda: None
