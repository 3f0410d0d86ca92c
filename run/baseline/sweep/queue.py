"""Runs cells on this machine, so many at a time, each with its own share of GPUs and CPU threads."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mos.engine.lock import RunLock, living_holder
from mos.errors import BadInput
from run.baseline.sweep.plan import Cell
from run.baseline.sweep.press import ENDED_BY_SIGNAL, begin, finish, shared_environ, sweep_up
from run.baseline.sweep.state import LOG, State, forget_job, read_state, table, write_notes

LOOK_SECONDS = 0.2
# How often to ask about cells that another process runs.
ELSEWHERE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Share:
    """What of the machine each of `jobs` cells gets."""

    jobs: int
    gpus: tuple[str, ...]  # names for CUDA_VISIBLE_DEVICES; empty: leave the variable as it is
    gpus_each: int
    threads: int


@dataclass(kw_only=True)
class _Running:
    cell: Cell
    child: subprocess.Popen
    gpus: tuple[str, ...]
    held: ExitStack = field(default_factory=ExitStack)


def share_machine(jobs: int, gpus: str, threads: int, environ: Mapping[str, str]) -> Share:
    """Deals out the machine.

    Args:
        jobs: cells at a time; 0: as many as there are GPUs for, else 1.
        gpus: auto (those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists), none, or 0,1.
        threads: per cell; 0: the cores this process may use, divided by `jobs`.

    Raises:
        BadInput: GPUs or counts that cannot be.
    """
    for name, value in (("jobs", jobs), ("threads", threads)):
        if value < 0:
            raise BadInput(f"--{name} {value}: needs 0 or more")
    if gpus == "auto":
        listed = environ.get("CUDA_VISIBLE_DEVICES")
        found = _nvidia_gpus() if listed is None else [g for g in listed.split(",") if g.strip()]
    elif gpus == "none":
        found = [""]
    else:
        found = [word.strip() for word in gpus.split(",")]
        if not all(found) or len(set(found)) < len(found):
            raise BadInput(f"--gpus {gpus}: needs auto, none or different numbers such as 0,1")
    each = int(environ.get("MOS_PROCESSES") or 1) if found and found != [""] else 1
    if each > len(found) and found and found != [""]:
        raise BadInput(
            f"MOS_PROCESSES={each}: a cell needs {each} GPUs, there are {len(found)} ({','.join(found)}); "
            "give fewer processes, or --gpus none for the CPU"
        )
    jobs = jobs or (len(found) // each if found else 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Share(
        jobs=jobs,
        gpus=tuple(found),
        gpus_each=each,
        threads=threads or max(1, (cores or 1) // jobs),
    )


def _nvidia_gpus() -> list[str]:
    """The GPUs of this machine, without loading torch."""
    if shutil.which("nvidia-smi") is None:
        return []
    words = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(words, capture_output=True, text=True)
    return listed.stdout.split() if listed.returncode == 0 else []


def run_queue(cells: Sequence[Cell], share: Share) -> int:
    """Runs every cell that is not finished; a failed one does not stop the others.

    A cell that another process runs is left to it and waited for.

    Returns:
        0 when all are finished, 1 when some are not, 128 + number when a signal ended it.
    """
    return _Queue(cells, share).run()


class _Queue:
    def __init__(self, cells: Sequence[Cell], share: Share):
        self._cells = cells
        self._share = share
        self._waiting = list(cells)
        self._running: list[_Running] = []
        self._elsewhere: dict[Path, float] = {}  # run folder -> when to ask again
        self._closed = 0  # finished, failed or stopped
        self._signal = 0

    def run(self) -> int:
        names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # Under nohup the terminal's end is ignored, and stays so.
        caught = [n for n in names if signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._stop) for number in caught}
        try:
            while (self._waiting or self._running) and not self._signal:
                self._reap()
                self._fill()
                time.sleep(LOOK_SECONDS)
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)
        rows = [(cell, read_state(cell)) for cell in self._cells]
        print(table(rows))
        if self._signal:
            print("stopped; the same command goes on with what is not finished", flush=True)
            return 128 + self._signal
        bad = [(cell, state) for cell, state in rows if state.name != "finished"]
        for cell, state in bad:
            print(f"{state.name}: {cell.name}: {state.remark} (log: {cell.folder / LOG})")
        return 1 if bad else 0

    def _stop(self, number: int, _: object) -> None:
        if self._signal:  # asked twice: at once
            for one in self._running:
                sweep_up(one.child)
        self._signal = number

    def _fill(self) -> None:
        for cell in list(self._waiting):
            if len(self._running) >= self._share.jobs or self._signal:
                return
            if time.monotonic() < self._elsewhere.get(cell.run, 0.0) or self._is_blocked(cell):
                continue
            state = read_state(cell)
            if state.name == "finished":
                self._waiting.remove(cell)
                self._tell(cell, state)
            elif state.name == "running":
                self._leave(cell, state)
            else:
                self._start(cell)

    def _is_blocked(self, cell: Cell) -> bool:
        """A phantom is made once, by the first cell that needs it."""
        missing = {path for path in cell.needs if not path.exists()}
        return any(missing & set(one.cell.needs) for one in self._running)

    def _start(self, cell: Cell) -> None:
        environ = shared_environ(os.environ)
        environ["OMP_NUM_THREADS"] = str(self._share.threads)
        environ.setdefault("MOS_THREADS", str(self._share.threads))
        gpus = self._least_used()
        if self._share.gpus:
            environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        held = ExitStack()
        try:
            cell.folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(RunLock(cell.folder))
        except BadInput:
            # Another sweep was faster; what cannot be written is an error.
            if living_holder(cell.folder) is None:
                raise
            self._leave(cell, read_state(cell))
            return
        self._waiting.remove(cell)
        forget_job(cell)
        write_notes(cell, "running")
        child = begin(cell, environ)
        self._running.append(_Running(cell=cell, child=child, gpus=gpus, held=held))
        on = f" on GPU {','.join(gpus)}" if any(gpus) else ""
        print(f"started  {cell.name}{on} (log: {cell.folder / LOG})", flush=True)

    def _leave(self, cell: Cell, state: State) -> None:
        if cell.run not in self._elsewhere:
            print(f"running  {cell.name}: elsewhere, by {state.remark}; left to it", flush=True)
        self._elsewhere[cell.run] = time.monotonic() + ELSEWHERE_SECONDS

    def _least_used(self) -> tuple[str, ...]:
        used = [gpu for one in self._running for gpu in one.gpus]
        order = sorted(self._share.gpus, key=used.count)  # of equals the first
        return tuple(order[: self._share.gpus_each])

    def _reap(self) -> None:
        for one in [one for one in self._running if one.child.poll() is not None]:
            self._running.remove(one)
            sweep_up(one.child)
            self._close(one)

    def _close(self, one: _Running) -> None:
        """Writes down how a cell ended."""
        cell, code = one.cell, one.child.returncode
        finished = read_state(cell).name == "finished"
        if finished:
            write_notes(cell, "finished")
        elif living_holder(cell.run) is not None and not self._signal:
            # Refused by the run's lock: a launcher pressed by hand, or a sweep of another file.
            self._waiting.append(cell)
            write_notes(cell, "waiting")
        elif code in ENDED_BY_SIGNAL or self._signal:
            write_notes(cell, "stopped", code=code)
        else:
            write_notes(cell, "failed", code=code)
        one.held.close()
        state = read_state(cell)
        if state.name == "running":
            self._leave(cell, state)
        else:
            self._tell(cell, state)

    def _tell(self, cell: Cell, state: State) -> None:
        self._closed += 1
        dice = "" if state.dice is None else f", best valid dice {state.dice:.4f}"
        done = f"epoch {state.epoch} of {cell.epochs}{dice}"
        remark = f": {state.remark}" if state.remark else ""
        count = f"[{self._closed}/{len(self._cells)}]"
        print(f"{state.name:8} {cell.name} {count}: {done}{remark}", flush=True)

    def _end(self) -> None:
        """Ends what still runs, so that no process outlives the sweep."""
        if not self._running:
            return
        if self._signal:
            print(f"stopping {len(self._running)} cells; whole epochs are kept", flush=True)
        finish([one.child for one in self._running])
        for one in self._running:
            self._close(one)
        self._running.clear()
