"""Runs a package without Docker, away from everything it may have leant on, and compares its answer."""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mos.engine.record import file_hash
from mos.errors import BadInput
from mos.folders import RUN_RECORD, WEIGHTS
from run.landmark import package_guard
from run.landmark.package_answer import read_package
from run.landmark.package_write import EXAMPLE, EXPECTED

SECONDS = 900
# What a process cannot do without, and what keeps it within the cores it may use.
_KEPT = ("LANG", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT")


def check_package(
    folder: Path, tolerance: float, device: str, threads: int = 0, *, install: bool = False
) -> str:
    """Runs a package on its example.

    A copy runs in a temporary folder, with an interpreter in isolated mode (`-I`: no PYTHONPATH, no user
    packages, no current folder), a nearly empty environment and no network.

    Args:
        tolerance: pixels by which a point may differ.
        install: run with nothing but what the package's requirements install; else with the packages of
            this process.

    Returns:
        What differs, in a sentence; "" where nothing does.

    Raises:
        BadInput: the package lacks a file, its weights are others than it was made with, or its
            requirements cannot be installed.
    """
    record = read_package(folder)
    _check_files(folder, record)
    cut = _network_cutter()
    with tempfile.TemporaryDirectory(prefix="package-") as name:
        root = Path(name).resolve()
        shutil.copytree(folder, root / "package", ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("input", "output", "elsewhere"):
            (root / part).mkdir()
        (root / "package" / EXAMPLE).rename(root / "input" / Path(EXAMPLE).name)
        shutil.rmtree(root / "package" / Path(EXAMPLE).parent)  # the answer is not to be seen
        output = root / "output" / "orthodontic-landmarks.json"
        python = _fresh_python(root) if install else sys.executable
        environ = {key: os.environ[key] for key in _KEPT if key in os.environ}
        environ |= {"PATH": "/usr/bin:/bin", "HOME": str(root / "elsewhere")}
        environ |= {"MOS_PACKAGE_INPUT": str(root / "input"), "MOS_PACKAGE_OUTPUT": str(output)}
        environ |= {"MOS_PACKAGE_DEVICE": device, "MOS_PACKAGE_THREADS": str(threads)}
        environ |= {"TMPDIR": str(root / "elsewhere")}
        program = [python, "-I", "-B", package_guard.__file__]
        done = subprocess.run(
            [*cut, *program, str(root / "package" / "process.py")],
            cwd=root / "elsewhere",
            env=environ,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        how = "no network interface" if cut else "sockets refused"
        print(f"ran in {root}, python -I, {len(environ)} environment variables, {how}")
        if done.returncode or not output.is_file():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            return f"process.py ended with {done.returncode}: {last.removeprefix('error: ')}"
        return difference(_read(folder / EXPECTED), _read(output), tolerance)


def _fresh_python(root: Path) -> str:
    """The interpreter of a new environment with what the package in `root` requires."""
    import venv

    print("installing the package's requirements into an environment of its own", flush=True)
    has_pip = find_spec("pip") is not None  # an environment made by uv has none
    venv.create(root / "environment", with_pip=not has_pip)
    python = str(root / "environment" / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python] if has_pip else [python, "-m", "pip"]
    words = ["install", "--quiet", "--disable-pip-version-check", "-r"]
    words += [str(root / "package" / "requirements.txt")]
    done = subprocess.run([*pip, *words], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise BadInput(f"the requirements.txt of the package cannot be installed: {last}")
    return python


def difference(expected: Mapping[str, Any], found: Mapping[str, Any], tolerance: float) -> str:
    """The worst point that lies further than `tolerance` pixels from where it is expected; "" for none."""
    for key in ("name", "type", "version"):
        if expected.get(key) != found.get(key):
            return f"{key} is {found.get(key)!r}, expected {expected.get(key)!r}"
    wanted, given = (_points(content) for content in (expected, found))
    if wanted.keys() != given.keys():
        name, image = sorted(wanted.keys() ^ given.keys(), key=str)[0]
        where = "is not expected" if (name, image) in given else "is missing"
        return f"point {name} of image {image} {where}"
    apart = {key: math.dist(wanted[key], given[key]) for key in wanted}
    far = {key: value for key, value in apart.items() if not value <= tolerance}
    if not far:
        return ""
    key = max(far, key=lambda key: far[key])
    (x, y), (wanted_x, wanted_y) = given[key], wanted[key]
    more = f"; {len(far) - 1} more of {len(wanted)} differ" if len(far) > 1 else ""
    return (
        f"point {key[0]} of image {key[1]} is at x {x:g}, y {y:g}, expected at x {wanted_x:g}, y {wanted_y:g}: "
        f"{far[key]:.2f} pixels apart, more than {tolerance:g}{more}"
    )


def _points(content: Mapping[str, Any]) -> dict[tuple[str, int], tuple[float, float]]:
    entries = ((entry["name"], *entry["point"]) for entry in content["points"])
    return {(name, number): (x, y) for name, x, y, number in entries}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        _points(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: is no JSON of points ({error}); make the package again") from error
    return content


def _check_files(folder: Path, record: Mapping[str, Any]) -> None:
    runs = record["runs"]
    files = [f"{run['folder']}/{name}" for run in runs for name in (WEIGHTS, RUN_RECORD)]
    beside = ["process.py", "Dockerfile", "requirements.txt", "code/mos/errors.py"]
    for name in [*files, *beside, EXAMPLE, EXPECTED]:
        if not (folder / name).is_file():
            raise BadInput(f"{folder / name}: is missing from the package; make it again")
    for run in runs:
        path = folder / run["folder"] / WEIGHTS
        if file_hash(path) != run["weights_sha256"]:
            raise BadInput(
                f"{path}: is not the file the package was made with (another SHA-256 than in package.json); make "
                "it again"
            )


def _network_cutter() -> list[str]:
    """What to begin a command with so that it sees no network interface; [] where that is not allowed."""
    words = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None:
        return []
    tried = subprocess.run([*words, "true"], capture_output=True)
    return words if tried.returncode == 0 else []
