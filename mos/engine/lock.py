"""One process per run folder: the second is refused by name, a dead one's lock is taken over."""

import contextlib
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from mos.errors import BadInput
from mos.files import write_text

LOCK_NAME = "run.lock"
HEARTBEAT_SECONDS = 20.0
# A lock of another host cannot be asked whether its process lives; it counts as dead after this.
STALE_SECONDS = 15 * 60.0


class RunLock:
    """Holds `<run>/run.lock` (host, pid, start) while the `with` block runs.

    On the same host the lock is stale once its process is gone; on another host once its heartbeat
    (the file's modification time) is older than a quarter of an hour.

    Raises:
        BadInput: a living process holds the folder, or the folder cannot be written to.
    """

    def __init__(self, folder: Path):
        self._path = folder / LOCK_NAME
        self._text = ""
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._heartbeat, daemon=True)

    def __enter__(self) -> "RunLock":
        own = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process_start": _process_start(os.getpid()),
        }
        self._text = json.dumps(own | {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
        # The text is complete before the name appears, so nobody reads an empty lock.
        temporary = self._path.with_name(f".{LOCK_NAME}.{own['host']}.{own['pid']}")
        write_text(temporary, self._text)
        try:
            for _ in range(10):
                try:
                    self._create(temporary)
                    break
                except FileExistsError:
                    self._take_over_or_refuse()
            else:
                raise BadInput(f"{self._path}: other processes keep taking this run; try again")
        finally:
            temporary.unlink(missing_ok=True)
        self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._beat.join()
        # After a long sleep another host may have taken over; its lock is not ours to remove.
        with contextlib.suppress(FileNotFoundError):
            if self._path.read_text(encoding="utf-8") == self._text:
                self._path.unlink()

    def _create(self, temporary: Path) -> None:
        """Makes the lock file appear, whole; FileExistsError when there is one."""
        try:
            os.link(temporary, self._path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: exclusive, but not whole at once
            with open(self._path, "x", encoding="utf-8") as file:
                file.write(self._text)

    def _take_over_or_refuse(self) -> None:
        try:
            judged, holder, dead = _judge(self._path)
        except FileNotFoundError:
            return
        host, pid = holder.get("host", "?"), holder.get("pid", 0)
        if not dead:
            raise BadInput(
                f"{self._path.parent}: in use by process {pid} on {host} since {holder.get('started')}. "
                "Wait for it, or give this run a folder of its own with --dir_postfix '[name]'. "
                f"If that process is surely gone, delete {self._path}"
            )
        print(f"taking over the lock of process {pid} on {host}, which is gone")
        # Of two that take over at once the faster may hold a fresh lock by now: what was renamed must
        # be what was judged, else it goes back.
        grave = self._path.with_name(f".{LOCK_NAME}.stale.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._path, grave)
            if grave.read_text(encoding="utf-8", errors="replace") != judged:
                with contextlib.suppress(FileExistsError):
                    os.link(grave, self._path)
            grave.unlink()

    def _heartbeat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                if self._path.read_text(encoding="utf-8") != self._text:
                    return
                os.utime(self._path)
            except FileNotFoundError:
                return


def living_holder(folder: Path) -> dict[str, Any] | None:
    """Who holds a folder, {} where its lock cannot be read; None when nobody living does."""
    try:
        _, holder, dead = _judge(folder / LOCK_NAME)
    except FileNotFoundError:
        return None
    return None if dead else holder


def _judge(path: Path) -> tuple[str, dict[str, Any], bool]:
    """The text of a lock, whose it is, and whether that process is gone."""
    age = time.time() - path.stat().st_mtime
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        holder = json.loads(text)
        host, pid = holder["host"], int(holder["pid"])
    except (ValueError, KeyError, TypeError):
        return text, {}, age > STALE_SECONDS
    if host != socket.gethostname():
        return text, holder, age > STALE_SECONDS
    start = _process_start(pid)
    return text, holder, start is None or start != holder.get("process_start")


def _process_start(pid: int) -> str | None:
    """A mark of the process that a later process with the same pid does not share; None when gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        pass
    if Path("/proc/self/stat").exists():
        return None
    try:  # no /proc here (macOS): being alive has to do
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "alive"
    return "alive"
