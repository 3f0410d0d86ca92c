"""Launchers pressed on the tiny phantom, and what the tests of the whole path read from its results."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.whole.warm import write_client

PROJECT = Path(__file__).resolve().parents[2]
TINY = {
    "SETTING": "phantom-tiny",
    "COUNT": "2",
    "BS": "4",
    "MOS_MODEL_CHANNELS": "4,8,8",
    "MOS_DATASET_CROP_SIZE": "32,32",
    "MOS_DATASET_VALID_CROP_SIZE": "4,48,48",
    "MOS_THREADS": "1",
    "MOS_DEVICE": "cpu",
    "OMP_NUM_THREADS": "1",
}
UNET2D = "baseline/unet-2d-none"
UNET3D = "baseline/unet-3d-none"
CROP3D = {"MOS_DATASET_CROP_SIZE": "4,32,32"}
SECONDS = 120


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@dataclass
class Press:
    """Presses launchers with results in a folder of their own; `SETTING`, `COUNT` and the like as keywords."""

    python: Path
    cache: Path
    folder: Path
    environ: dict[str, str] = field(default_factory=lambda: dict(TINY))

    def begin(self, name: str, *args: Any, **environ: str) -> subprocess.Popen:
        """Starts a launcher and does not wait."""
        ours = ("MOS_", "_MOS_")
        names = ("SETTING", "COUNT", "BS", "RANK", "WORLD_SIZE", "VIRTUAL_ENV", "CONDA_PREFIX")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ours) and k not in names}
        folders = {"MOS_CACHE": str(self.cache), "MOS_CHECKPOINT": str(self.folder)}
        # The second is what torchrun starts its processes with.
        pythons = dict.fromkeys(("MOS_PYTHON", "PYTHON_EXEC"), str(self.python))
        return subprocess.Popen(
            [PROJECT / ".scripts" / name, *map(str, args)],
            env=kept | pythons | folders | self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self, name: str, *args: Any, code: int = 0, **environ: str
    ) -> subprocess.CompletedProcess:
        """Presses a launcher and checks its exit code."""
        return end(self.begin(name, *args, **environ), code)

    def run(self, name: str = "unet-2d-none", setting: str = "phantom-tiny") -> Path:
        """A run's folder."""
        return self.folder / f"baseline-{setting}" / name


def end(process: subprocess.Popen, code: int | None = None) -> subprocess.CompletedProcess:
    """Waits for a launcher; no press in these tests takes longer than `SECONDS`."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        raise
    assert code is None or process.returncode == code, f"{process.returncode}: {out}\n{err}"
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def kill_when(process: subprocess.Popen, run: Path, moment: Callable[[], bool]) -> bool:
    """Kills the process that holds a run at a moment; False when it ended before that came."""
    while process.poll() is None:
        if moment():
            # The lock says who trains; a stale one names a process that an earlier kill ended.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                os.kill(json.loads((run / "run.lock").read_text())["pid"], signal.SIGKILL)
                end(process, -signal.SIGKILL)
                return True
        time.sleep(0.002)
    end(process)
    return False


def told(pressed: subprocess.CompletedProcess) -> str:
    """The one error message of a press that was refused."""
    assert pressed.returncode == 2, pressed.stdout + pressed.stderr
    messages = [line for line in pressed.stderr.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1, pressed.stderr
    assert "Traceback" not in pressed.stderr, pressed.stderr
    return messages[0]


def lines(run: Path) -> list[dict[str, Any]]:
    """`metric.jsonl` without what differs between two runs of the same: times and memory."""
    text = (run / "metric.jsonl").read_text()
    clock = ("seconds", "time", "peak_memory_mib")
    return [
        {k: v for k, v in json.loads(line).items() if k not in clock} for line in text.splitlines()
    ]


def assert_same_results(a: Path, b: Path) -> None:
    """Two runs hold the same epochs, bit for bit: weights, optimiser, metric files, lines and links."""
    import torch

    files = {path.relative_to(a) for path in a.glob("epoch-*/*")}
    assert files == {path.relative_to(b) for path in b.glob("epoch-*/*")} and files
    for name in ("latest", "best"):
        assert os.readlink(a / name) == os.readlink(b / name)
    key = lambda line: (line["epoch"], line["stage"])  # noqa: E731
    assert sorted(lines(a), key=key) == sorted(lines(b), key=key)
    for file in files:
        if file.suffix == ".safetensors":
            assert (a / file).read_bytes() == (b / file).read_bytes(), file
        else:
            left, right = (torch.load(run / file, weights_only=True) for run in (a, b))
            for table in (left, right):
                table.pop("line", None)  # compared above, without its times
            assert_equal(left, right, str(file))


def assert_equal(a: Any, b: Any, where: str) -> None:
    """Nested dictionaries and lists of tensors are the same to the bit."""
    import torch

    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a.nan_to_num(nan=-1e9), b.nan_to_num(nan=-1e9)), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for name in a:
            assert_equal(a[name], b[name], f"{where} {name}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for number, (one, other) in enumerate(zip(a, b)):
            assert_equal(one, other, f"{where} {number}")
    else:
        assert a == b, where


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stand-in for the interpreter; see `tests/whole/warm.py`."""
    folder = tmp_path_factory.mktemp("warm")
    address = folder / "socket"
    script = Path(__file__).with_name("warm.py")
    server = subprocess.Popen([sys.executable, script, address], start_new_session=True)
    try:
        deadline = time.monotonic() + SECONDS
        while not address.exists():
            assert server.poll() is None and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        yield write_client(folder, address)
    finally:
        # With whatever a failed test left running.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The datasets of the session; the tiny phantom is generated by whoever asks first."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def press(warm_python: Path, cache: Path, tmp_path: Path) -> Press:
    """Presses launchers with results in this test's own folder."""
    return Press(warm_python, cache, tmp_path / "checkpoint")


@pytest.fixture(scope="session")
def trained(warm_python: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Press:
    """Four epochs of `unet-2d-none`, never stopped. Read them, and leave them as they are."""
    press = Press(warm_python, cache, tmp_path_factory.mktemp("trained"))
    press(UNET2D, COUNT="4")
    return press
