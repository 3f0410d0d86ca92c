"""What many tests share: the real data, and a hand that presses real launchers."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """A suite started in the background (`&`, nohup, CI) may ignore Ctrl-C, and so would what it presses."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that train come first: processes that share out the files then end together."""
    here = Path(__file__).parent
    first = {here / name for name in ("whole", "landmark", "engine", "run")}
    items.sort(key=lambda item: not first & set(item.path.parents))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the clone; skips where it is not there."""
    folder = PROJECT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data in ../shared/data, which is not beside this clone")
    return folder


@pytest.fixture
def clean_environ(tmp_path: Path) -> dict[str, str]:
    """This process's environment without any option, with results and datasets in `tmp_path`."""
    ours = ("MOS_", "_MOS_")
    names = ("SETTING", "COUNT", "BS", "RANK", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours) and k not in names}
    return kept | {
        "MOS_PYTHON": sys.executable,
        "MOS_CACHE": str(tmp_path / "cache"),
        "MOS_CHECKPOINT": str(tmp_path / "checkpoint"),
        "MOS_KERNEL": str(PROJECT / ".cache" / "kernel"),  # compiled once for all tests
    }


@pytest.fixture
def launcher(clean_environ: dict[str, str]) -> Callable[..., subprocess.CompletedProcess]:
    """`launcher("baseline/unet-2d-none", "--note", "x", SETTING="acdc-0")` presses that launcher.

    Keywords are environment variables; `cwd` is where the user stands. The result carries
    `returncode`, `stdout` and `stderr` as text.
    """

    def press(name: str, *args: str, cwd: Path | None = None, **environ: str):
        return subprocess.run(
            [PROJECT / ".scripts" / name, *map(str, args)],
            env=clean_environ | environ,
            cwd=cwd,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    return press
