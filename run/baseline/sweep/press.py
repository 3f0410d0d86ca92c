"""Starts a cell's launcher, with its log, and ends it so that whole epochs stay."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from mos.engine.record import now
from mos.folders import cache_root, checkpoint_root
from run.baseline.sweep.plan import Cell
from run.baseline.sweep.state import LOG

# A launcher ends within a second of SIGTERM; one that does not is killed after this.
STOP_SECONDS = 30.0
ENDED_BY_SIGNAL = (128 + signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGTERM, -signal.SIGINT)


def shared_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """What every cell of a sweep is told, here or on a node: interpreter, folders, options."""
    names = {"COUNT", "BS"}
    kept = {n: text for n, text in environ.items() if n.startswith("MOS_") or n in names}
    return kept | {
        "MOS_PYTHON": environ.get("MOS_PYTHON") or sys.executable,
        "MOS_CACHE": str(cache_root().absolute()),
        "MOS_CHECKPOINT": str(checkpoint_root().absolute()),
    }


def begin(cell: Cell, environ: Mapping[str, str]) -> subprocess.Popen:
    """Starts a cell; call it in the main thread, since the child ends with the thread that made it.

    Args:
        environ: variables besides those of this process; the cell's own win.
    """
    # What speaks of the sweep's own start must not reach the launchers.
    inherited = {n: text for n, text in os.environ.items() if not n.startswith("_MOS_")}
    cell.folder.mkdir(parents=True, exist_ok=True)
    with open(cell.folder / LOG, "ab") as log:
        log.write(f"== {now()} {cell.command}\n".encode())
        log.flush()
        return subprocess.Popen(
            [
                *(sys.executable, "-IS", str(Path(__file__).with_name("child.py"))),
                *(str(os.getpid()), *cell.words),
            ],
            env=inherited | environ | cell.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches the sweep alone, which then ends its children in order.
            start_new_session=True,
        )


def finish(children: list[subprocess.Popen], seconds: float = STOP_SECONDS) -> None:
    """Ends launchers: SIGTERM, and after a while SIGKILL for them and all they started."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(child.poll() is None for child in children):
        time.sleep(0.05)
    for child in children:
        sweep_up(child)
        child.wait()


def sweep_up(child: subprocess.Popen) -> None:
    """Kills what is left of a launcher's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
