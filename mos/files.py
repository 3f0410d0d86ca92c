"""Writing files so that a reader, or a killed run, never meets half of one."""

import contextlib
import errno
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from mos.errors import BadInput

# A process of another host cannot be asked whether it lives; so long without a write it does not.
_STALE_SECONDS = 24 * 3600.0
_TEMPORARY = re.compile(r"\.tmp-(\d+)(?:@([^-]+))?-.+")


@contextlib.contextmanager
def atomic_path(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it is flushed to disk and renamed to `path`.

    Without `flush` a power cut may leave half a file: for what is checked when read and can be remade.
    On any error the temporary file is removed and an older `path` stays as it was.

    Raises:
        BadInput: the disk is full or the folder cannot be written to.
    """
    # The suffix stays, since image writers choose their format by it.
    temporary = path.with_name(f".tmp-{os.getpid()}@{_host()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if flush:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if flush:
            flush_folder(path.parent)
    except OSError as error:
        raise _as_bad_input(error, path) from error
    except BadInput:
        raise
    except Exception as error:
        # torch.save reports a full disk as a RuntimeError, safetensors as a SafetensorError.
        if "No space left" in str(error) or _free_bytes(path.parent) < 16 << 20:
            raise _disk_full(path) from error
        raise
    finally:
        # Where the folder could not be made there is nothing to remove either.
        with contextlib.suppress(OSError):
            temporary.unlink()


def sweep_temporaries(folder: Path) -> None:
    """Removes what `atomic_path` left in `folder` for processes that were killed.

    Files of living processes stay, and those of another host until a day has passed without a write.
    """
    for path in folder.glob(".tmp-*") if folder.is_dir() else ():
        match = _TEMPORARY.fullmatch(path.name)
        # It may vanish or be another user's: then it is not ours to remove.
        with contextlib.suppress(OSError):
            if match and _abandoned(path, int(match[1]), match[2] or _host()):
                path.unlink()


def _abandoned(path: Path, pid: int, host: str) -> bool:
    if host != _host():
        return time.time() - path.stat().st_mtime > _STALE_SECONDS
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


def _host() -> str:
    # `-` ends it in a temporary name.
    return socket.gethostname().replace("-", "_")


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Writes JSON atomically; nan and infinity are refused, since JSON has no word for them."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def link(target_name: str, path: Path) -> None:
    """Makes `path` a relative link to its sibling `target_name`, replacing an older link at once.

    Raises:
        BadInput: the disk is full or the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target_name)
        os.replace(temporary, path)
        flush_folder(path.parent)
    except OSError as error:
        raise _as_bad_input(error, path) from error


def flush_folder(folder: Path) -> None:
    """Makes renames inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _free_bytes(folder: Path) -> int:
    try:
        status = os.statvfs(folder)
    except OSError:
        return 1 << 62
    return status.f_bavail * status.f_frsize


def _disk_full(path: Path) -> BadInput:
    return BadInput(
        f"{path}: the disk is full. Nothing already written is lost: free some space (or move the "
        "folders with MOS_CACHE and MOS_CHECKPOINT) and give the same command again"
    )


def _as_bad_input(error: OSError, path: Path) -> BadInput:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _disk_full(path)
    return BadInput(f"{path}: cannot be written: {error.strerror or error}")
