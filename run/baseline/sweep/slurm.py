"""Submits cells to a Slurm cluster as one array, and what runs on the node."""

import contextlib
import getpass
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mos.engine.lock import LOCK_NAME, RunLock, living_holder
from mos.errors import BadInput
from mos.folders import project_folder
from run.baseline.sweep.plan import Cell
from run.baseline.sweep.press import ENDED_BY_SIGNAL, begin, shared_environ, sweep_up
from run.baseline.sweep.state import (
    SLURM,
    read_job,
    read_state,
    table,
    write_job,
    write_notes,
)

if TYPE_CHECKING:
    from run.baseline.cmd.sweep import Options

# Between Slurm's warning and its end of the job; the launcher needs a second or two of it.
WARNING_SECONDS = 90
LOOK_SECONDS = 0.5


def submit(cells: Sequence[Cell], folder: Path, options: "Options") -> int:
    """Submits what is neither finished nor running nor queued, as one array.

    Raises:
        BadInput: this is no cluster, or Slurm refuses the request; says what Slurm said.
    """
    for tool in ("sbatch", "srun", "squeue"):
        if shutil.which(tool) is None:
            raise BadInput(
                f"--slurm: there is no {tool} on this machine; log in to the cluster, or leave --slurm out "
                "to run the cells here"
            )
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    folder.mkdir(parents=True, exist_ok=True)
    with RunLock(folder):
        queue = queued_jobs(cells)
        if queue is None:
            raise BadInput("--slurm: squeue does not answer; try it by hand, and see sinfo")
        rows = [(cell, read_state(cell, queue)) for cell in cells]
        busy = ("finished", "running", "queued")
        todo = [cell for cell, state in rows if state.name not in busy]
        if not todo:
            print(table(rows))
            return 0
        executor = submitit.SlurmExecutor(folder / SLURM, max_num_timeout=options.slurm_requeue)
        executor.update_parameters(**_parameters(folder, options, len(todo)))
        environ = shared_environ(os.environ)
        threads = options.threads or options.slurm_cpus
        if threads:
            environ["OMP_NUM_THREADS"] = str(threads)
            environ.setdefault("MOS_THREADS", str(threads))
        try:
            with executor.batch():
                jobs = [executor.submit(CellJob(cell, environ)) for cell in todo]
        except (FailedJobError, FailedSubmissionError) as error:
            raise BadInput(f"--slurm: sbatch refused: {' '.join(str(error).split())}") from error
        for cell, job in zip(todo, jobs):
            write_job(cell, job.job_id)
    main = jobs[0].job_id.partition("_")[0]
    print(f"submitted {len(todo)} of {len(cells)} cells as job {main}; the others need no start")
    print(f"--status shows how far they are; scancel {main} stops them, whole epochs are kept")
    return 0


def _parameters(folder: Path, options: "Options", count: int) -> dict[str, Any]:
    """What submitit is to write into the batch file."""
    minutes = parse_minutes(options.slurm_time)
    more: dict[str, Any] = {"mem": options.slurm_mem} if options.slurm_mem else {}
    for text in options.slurm_option:
        name, equals, value = text.removeprefix("--").partition("=")
        more[name] = value if equals else True
    # A site may not hand the environment of sbatch on to the node.
    setup = {"PYTHONPATH": str(project_folder()), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
    found: dict[str, Any] = {
        "job_name": f"sweep-{folder.name}",
        "time": minutes,
        "signal_delay_s": min(WARNING_SECONDS, minutes * 15),
        "array_parallelism": options.jobs or count,
        "setup": [f"export {name}={shlex.quote(value)}" for name, value in setup.items()],
        "additional_parameters": more,
    }
    if options.slurm_partition:
        found["partition"] = options.slurm_partition
    if options.slurm_gpus:
        found["gpus_per_node"] = options.slurm_gpus
    if options.slurm_cpus:
        found["cpus_per_task"] = options.slurm_cpus
        # Since Slurm 22.05 a step does not inherit it, and would be bound to one core.
        found["srun_args"] = ["--cpus-per-task", str(options.slurm_cpus)]
    return found


def queued_jobs(cells: Sequence[Cell]) -> dict[str, str] | None:
    """This user's jobs by id (`12_3`) with their states; None where Slurm cannot be asked."""
    if shutil.which("squeue") is None:
        return None
    words = ["squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i %T"]
    asked = subprocess.run(words, capture_output=True, text=True)
    if asked.returncode:
        return None
    ours = {read_job(cell) for cell in cells}
    listed = dict(line.split(maxsplit=1) for line in asked.stdout.splitlines() if line.strip())
    return {job: state for job, state in listed.items() if job in ours}


class CellJob:
    """What a node does for one cell; submitit pickles it, and calls `checkpoint` before the end."""

    def __init__(self, cell: Cell, environ: dict[str, str]):
        self.cell = cell
        self.environ = environ
        self._child: subprocess.Popen | None = None

    def __call__(self) -> None:
        """Presses the launcher and writes down how it ended.

        Raises:
            RuntimeError: it failed; so Slurm's own accounting says so too.
        """
        job = _own_job()
        if not _becomes_free(self.cell) or read_state(self.cell).name == "finished":
            print(f"{self.cell.name}: finished, or left to who runs it", flush=True)
            return
        with RunLock(self.cell.folder):
            write_notes(self.cell, "running", job=job)
            self._child = begin(self.cell, self.environ)
            while self._child.poll() is None:
                time.sleep(LOOK_SECONDS)
            code = self._child.returncode
            sweep_up(self._child)
            state = "stopped" if code in ENDED_BY_SIGNAL else "failed"
            if read_state(self.cell).name == "finished":
                state = "finished"
            write_notes(self.cell, state, job=job, code=code)
        if state == "failed":
            raise RuntimeError(f"{self.cell.command}: exit code {code}")

    def checkpoint(self) -> Any:
        """Stops the launcher, which keeps whole epochs, and asks to be queued again."""
        from submitit.helpers import DelayedSubmission

        if self._child is not None:
            _stop(self._child, WARNING_SECONDS / 2)
            write_notes(self.cell, "stopped", job=_own_job())
        return DelayedSubmission(CellJob(self.cell, self.environ))

    def __getstate__(self) -> dict[str, Any]:
        return {"cell": self.cell, "environ": self.environ, "_child": None}


def _stop(child: subprocess.Popen, seconds: float) -> None:
    """Ends a launcher from within a signal handler: `Popen` may be in the middle of a call."""
    end = time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(child.pid, signal.SIGTERM)
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while time.monotonic() < end and os.waitid(os.P_PID, child.pid, ended) is None:
            time.sleep(0.05)
    sweep_up(child)


def _own_job() -> str:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID", "")


def _becomes_free(cell: Cell) -> bool:
    """Whether nobody runs the cell. Of a node that died the locks are waited for (15 minutes)."""
    for folder in (cell.run, cell.folder):
        beat = None
        while (holder := living_holder(folder)) is not None:
            if holder.get("host") == socket.gethostname():
                return False
            with contextlib.suppress(FileNotFoundError):
                time_now = (folder / LOCK_NAME).stat().st_mtime
                if beat is not None and time_now != beat:
                    return False
                beat = time_now
            time.sleep(5.0)
    return True


def parse_minutes(text: str) -> int:
    """Reads a time limit as sbatch writes it: `90`, `mm:ss`, `h:mm:ss`, `d-h`, `d-hh:mm`, `d-hh:mm:ss`.

    Returns:
        Whole minutes, at least 1.

    Raises:
        BadInput: it is none of these.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if match is None:
        raise BadInput(f"--slurm_time {text}: needs minutes, or h:mm:ss, or d-hh:mm:ss")
    days, *rest = match.groups()
    numbers = [int(part) for part in rest if part is not None]
    if days is not None:
        hours, minutes, seconds = numbers + [0] * (3 - len(numbers))
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, (*numbers, 0)[:2]
    return max(1, int(days or 0) * 1440 + hours * 60 + minutes + (seconds > 0))
