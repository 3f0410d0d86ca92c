"""`run.json`: what a run was asked, with what, on what, and when."""

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mos.errors import BadInput
from mos.files import write_json
from mos.folders import RUN_RECORD, project_folder

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "monai",
    "SimpleITK",
    "nibabel",
    "safetensors",
)
# A file up to this size is hashed whole; of a larger one, its size and 64 blocks spread over it.
HASH_WHOLE, BLOCK, BLOCKS = 1 << 30, 1 << 20, 64


def read_record(run: Path) -> dict[str, Any]:
    """The stored record; {} for a run that is new.

    Raises:
        BadInput: `run.json` is there but is no JSON.
    """
    path = run / RUN_RECORD
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(
            f"{path}: is not readable JSON ({error}); mend or move the run's folder"
        ) from error


def write_record(run: Path, record: Mapping[str, Any]) -> None:
    """Writes `run.json` whole."""
    write_json(run / RUN_RECORD, record)


def surroundings() -> dict[str, Any]:
    """Versions, git commit, host, process, command and time of this start."""
    return {
        "command": sys.orig_argv,
        "versions": {"python": platform.python_version(), **_versions()},
        "git": _git_commit(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": now(),
        "finished": None,
    }


def now() -> str:
    """The time, ISO 8601 with zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def file_hash(path: Path) -> str:
    """SHA-256 of a file; of its size and 64 blocks of 1 MiB where it is larger than 1 GiB."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        if size <= HASH_WHOLE:
            while block := file.read(BLOCK):
                digest.update(block)
            return digest.hexdigest()
        digest.update(str(size).encode())
        for number in range(BLOCKS):
            file.seek((size - BLOCK) * number // (BLOCKS - 1))
            digest.update(file.read(BLOCK))
    return "blocks-" + digest.hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _git_commit() -> str | None:
    """The commit of the clone, with `+changes` when its files differ from it; None without git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(project_folder()), *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None
