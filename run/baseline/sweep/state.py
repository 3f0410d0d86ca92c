"""How far each cell is, read from the result tree, and the table that says so."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mos.engine.lock import living_holder
from mos.engine.record import now
from mos.files import write_json
from mos.report.run_record import read_run
from run.baseline.model_arguments import TASK
from run.baseline.sweep.plan import Cell

LOG, NOTES, JOB = "log.txt", "cell.json", "job.json"
SLURM = "slurm"  # folder of submitit's files, in the sweep's
STATES = ("finished", "running", "queued", "waiting", "stopped", "failed")
_NOT_STARTED = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED")


@dataclass(frozen=True, kw_only=True)
class State:
    """What is known of a cell."""

    name: str  # one of STATES
    epoch: int = 0  # stored epochs
    dice: float | None = None  # best by validation
    remark: str = ""


def read_state(cell: Cell, queue: Mapping[str, str] | None = None) -> State:
    """A cell's state.

    1. finished: run.json says so, and as many epochs are stored as the file asks for
    2. running: a living process holds the run's folder, or the cell's
    3. queued, running: Slurm has its job (`queue`: job id -> its state; None: Slurm was not asked)
    4. failed, stopped: how its last start ended
    5. waiting: anything else
    """
    epoch, dice, finished = _progress(cell)
    known = {"epoch": epoch, "dice": dice}
    if finished:
        return State(name="finished", **known)
    for folder in (cell.run, cell.folder):
        holder = living_holder(folder)
        if holder is not None:
            remark = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"
            return State(name="running", remark=remark, **known)
    notes, job = read_notes(cell), read_job(cell)
    if job and queue is not None:
        if job in queue:
            name = "queued" if queue[job] in _NOT_STARTED else "running"
            return State(name=name, remark=f"job {job} {queue[job].lower()}", **known)
        if notes.get("job") != job:
            said = last_line(_sweep_of(cell) / SLURM / f"{job}_0_log.err")
            gone = f"job {job} left the queue before it began"
            return State(name="failed" if said else "stopped", remark=said or gone, **known)
    if notes.get("state") == "failed":
        return State(name="failed", remark=last_line(cell.folder / LOG), **known)
    if notes.get("state") in ("running", "stopped") or epoch:
        return State(name="stopped", remark="goes on where it stopped", **known)
    return State(name="waiting", **known)


def _progress(cell: Cell) -> tuple[int, float | None, bool]:
    if not cell.run.is_dir():
        return 0, None, False
    run = read_run(cell.run, TASK)
    dice = run.log.get("valid", {}).get(run.epoch, {}).get("dice") if run.epoch else None
    dice = dice if isinstance(dice, int | float) and math.isfinite(dice) else None
    enough = run.epochs_done >= cell.epochs and (run.epochs_wanted or 0) >= cell.epochs
    return run.epochs_done, dice, bool(run.record.get("finished")) and enough


def read_notes(cell: Cell) -> dict[str, Any]:
    """What was last written of a cell by whoever started it; {} before its first start."""
    return _read_json(cell.folder / NOTES)


def write_notes(cell: Cell, state: str, **more: Any) -> None:
    notes = {"state": state, "time": now(), "command": cell.command}
    write_json(cell.folder / NOTES, notes | more)


def read_job(cell: Cell) -> str:
    """The Slurm job the cell was last submitted as, such as `12_3`; "" for none."""
    return str(_read_json(cell.folder / JOB).get("job", ""))


def write_job(cell: Cell, job: str) -> None:
    """A file of its own: the job may begin, and write its notes, before this is written."""
    write_json(cell.folder / JOB, {"job": job, "time": now()})


def forget_job(cell: Cell) -> None:
    (cell.folder / JOB).unlink(missing_ok=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def last_line(path: Path) -> str:
    """The last line of a log that says something; "" where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip() and not line.startswith("== ")]
    # A message of several lines begins with the word.
    errors = [line for line in said[-5:] if line.startswith("error: ")]
    return (errors or said or [""])[-1]


def _sweep_of(cell: Cell) -> Path:
    return cell.folder.parent.parent


def table(rows: Iterable[tuple[Cell, State]]) -> str:
    """One line per cell, and the count of each state."""
    rows = list(rows)
    lines = [("state", "epoch", "valid dice", "cell", "")]
    for cell, state in rows:
        dice = "-" if state.dice is None else f"{state.dice:.4f}"
        lines.append((state.name, f"{state.epoch} of {cell.epochs}", dice, cell.name, state.remark))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    text = ["  ".join([*map(str.ljust, line[:4], widths), line[4]]).rstrip() for line in lines]
    counts = {name: sum(state.name == name for _, state in rows) for name in STATES}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return "\n".join([*text, f"{len(rows)} cells: {told}"])
