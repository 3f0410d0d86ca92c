"""The environment a launcher finds or makes, on a toy project with a toy installer, no network.

The toy `uv` makes a bare environment and "installs" a package by writing its metadata; the last
test lets the real venv and pip install a toy wheel.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent

_LAUNCHER = """\
#!/usr/bin/env bash
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/env"
mos_environment "${REQUIREMENTS:-requirements.txt}"
mos_default COUNT 40
mos_run toy.hello --model unet "$@"
"""
_HELLO = """\
import os, sys
print(sys.prefix, sys.argv[1:], os.environ["_MOS_TYPED"], os.environ["_MOS_DEFAULTS"], os.environ["COUNT"])
"""
_UV = """\
#!/usr/bin/env bash
# A toy: `uv venv ... FOLDER` and `uv pip install --python PYTHON -r FILE ...`
echo "$*" >>"$UV_LOG"
if [ "$1" = venv ]; then
  for folder in "$@"; do :; done
  exec "$REAL_PYTHON" -m venv --without-pip "$folder"
fi
sleep "${UV_SLEEP:-0}"
"$4" - "$6" <<'PY'
import pathlib, sys, sysconfig
site = pathlib.Path(sysconfig.get_path("purelib"))
file = pathlib.Path(sys.argv[1])
for name, version in (line.split("==") for f in {file, file.parent / "requirements.txt"}
                      for line in f.read_text().split("\\n") if "==" in line):
    for old in site.glob(name + "-*"):
        (old / "METADATA").unlink(); old.rmdir()
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
PY
"""


class Toy:
    """A clone of a toy project in a folder with a space, and what its launcher did."""

    def __init__(self, root: Path):
        self.project = root / "my clone"
        self.log = root / "uv.log"
        (self.project / ".scripts").mkdir(parents=True)
        for name in ("env", "packages.py"):
            shutil.copy(PROJECT / ".scripts" / name, self.project / ".scripts")
        self.requirements = self.project / "requirements.txt"
        self.requirements.write_text("tinypack==1.0\n")
        (self.project / "requirements_dev.txt").write_text("-r requirements.txt\ntinytest==1.0\n")
        (self.project / "toy").mkdir()
        (self.project / "toy" / "hello.py").write_text(_HELLO)
        self._program(self.project / ".scripts" / "hello", _LAUNCHER)
        self._program(root / "bin" / "uv", _UV)
        outside = ("MOS_", "_MOS_", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "COUNT", "RANK")
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(outside)} | {
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "UV_LOG": str(self.log),
            "REAL_PYTHON": sys.executable,
        }

    @property
    def venv(self) -> Path:
        return self.project / ".venv"

    @property
    def installs(self) -> int:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(line.startswith("pip install") for line in lines)

    def start(self, *args: str, cwd: Path | None = None, **environ: str) -> subprocess.Popen:
        return subprocess.Popen(
            [self.project / ".scripts" / "hello", *args],
            env=self.environ | environ,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def press(self, *args: str, cwd: Path | None = None, **environ: str):
        process = self.start(*args, cwd=cwd, **environ)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def make_environment(self, folder: Path, *packages: str) -> Path:
        """A bare virtual environment with the metadata of these `name==version`."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        site = next(folder.glob("lib/python3*/site-packages"))
        for name, version in (package.split("==") for package in packages):
            info = site / f"{name}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            )
        return folder

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


def test_the_first_start_installs_and_the_second_does_not(toy, tmp_path):
    first = toy.press("--note", "a b", cwd=tmp_path)
    assert (first.returncode, toy.installs) == (0, 1), first.stderr
    assert first.stdout == f"{toy.venv} ['--model', 'unet', '--note', 'a b'] 2 COUNT 40\n"
    assert "installing the packages" in first.stderr and "minutes" in first.stderr
    second = toy.press()
    assert (second.returncode, second.stderr, toy.installs) == (0, "", 1)


def test_a_launcher_does_not_import_from_where_the_user_stands(toy, tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "hello.py").write_text("print('stranger')")
    assert "stranger" not in toy.press(cwd=tmp_path).stdout


def test_a_value_in_the_environment_is_not_marked_as_the_launchers(toy):
    assert toy.press(COUNT="3").stdout.endswith("0  3\n")
    assert toy.press(COUNT="").stdout.endswith("0 COUNT 40\n")


def test_two_launchers_at_once_install_once(toy):
    two = [toy.start(UV_SLEEP="2") for _ in range(2)]
    texts = [process.communicate(timeout=120) for process in two]
    assert [process.returncode for process in two] == [0, 0]
    assert toy.installs == 1
    assert sum("waiting for it" in err for _, err in texts) == 1


def without_flock(toy: Toy, tmp_path: Path) -> str:
    """A PATH whose programs are the usual ones except flock, as on macOS."""
    folder = tmp_path / "few"
    folder.mkdir()
    for name in "bash env cat dirname mkdir rm mv sleep cksum tr".split():
        (folder / name).symlink_to(shutil.which(name))
    return f"{tmp_path / 'bin'}:{folder}:{Path(sys.executable).parent}"


def test_without_flock_two_launchers_at_once_install_once(toy, tmp_path):
    path = without_flock(toy, tmp_path)
    two = [toy.start(UV_SLEEP="2", PATH=path) for _ in range(2)]
    texts = [process.communicate(timeout=120) for process in two]
    assert [process.returncode for process in two] == [0, 0], texts
    assert toy.installs == 1
    assert not (toy.project / ".venv.lock.d").exists()


def test_without_flock_the_lock_of_a_dead_launcher_is_taken_over(toy, tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    (toy.project / ".venv.lock.d").mkdir()
    (toy.project / ".venv.lock.d" / "pid").write_text(str(dead.pid))
    assert toy.press(PATH=without_flock(toy, tmp_path)).returncode == 0
    assert not (toy.project / ".venv.lock.d").exists()


def test_an_installation_that_was_killed_is_made_again(toy):
    process = toy.start(UV_SLEEP="60")
    while toy.installs == 0:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (toy.venv / "half").touch()
    again = toy.press()
    assert again.returncode == 0 and "cut off: starting over" in again.stderr
    assert not (toy.venv / "half").exists()
    assert toy.press().stderr == ""


def test_an_installer_that_fails_leaves_a_message_and_exit_code_2(toy, tmp_path):
    site = toy.venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (tmp_path / "bin" / "uv").rename(tmp_path / "bin" / "uv-that-works")
    # uv makes the environment but cannot install; the pip in there starts and cannot either.
    pip = f"import sys; sys.exit('--version' not in sys.argv)"
    stub = f"""mkdir -p '{site}/pip' && echo "{pip}" >'{site}/pip/__main__.py'"""
    Toy._program(
        tmp_path / "bin" / "uv", f'#!/bin/sh\n[ "$1" = venv ] && uv-that-works "$@" && {stub}\n'
    )
    failed = toy.press()
    assert failed.returncode == 2 and failed.stdout == ""
    assert "uv failed; trying pip" in failed.stderr
    assert "error: the packages were not installed" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_changed_requirements_are_installed(toy):
    toy.press()
    toy.requirements.write_text("tinypack==2.0\n")
    assert toy.press().returncode == 0 and toy.installs == 2
    assert list(toy.venv.glob("lib/*/site-packages/tinypack-2.0.dist-info"))
    assert toy.press().stderr == ""


def test_an_environment_with_the_test_packages_serves_launchers_too(toy):
    assert toy.press(REQUIREMENTS="requirements_dev.txt").returncode == 0
    assert toy.press().returncode == 0
    assert toy.installs == 1


def test_an_environment_made_by_hand_is_filled_not_removed(toy):
    toy.make_environment(toy.venv)
    (toy.venv / "mine").touch()
    assert toy.press().returncode == 0
    assert (toy.venv / "mine").exists() and toy.installs == 1


def test_mos_python_is_used_when_it_has_the_packages(toy, tmp_path):
    own = toy.make_environment(tmp_path / "own", "tinypack==1.0")
    pressed = toy.press(MOS_PYTHON=str(own / "bin" / "python"))
    assert pressed.stdout.startswith(f"{own} ") and pressed.stderr == ""
    assert toy.installs == 0


def test_mos_python_without_the_packages_is_refused_by_name(toy, tmp_path):
    own = toy.make_environment(tmp_path / "own")
    python = own / "bin" / "python"
    for _ in range(2):  # asked, then remembered
        refused = toy.press(MOS_PYTHON=str(python))
        assert refused.returncode == 2 and refused.stdout == ""
        assert "lacks tinypack; install them there with" in refused.stderr
    toy.make_environment(own, "tinypack==1.0")
    assert toy.press(MOS_PYTHON=str(python)).returncode == 0


def test_mos_python_that_is_no_program_is_refused(toy):
    refused = toy.press(MOS_PYTHON="/nowhere/python")
    assert refused.returncode == 2
    assert "MOS_PYTHON='/nowhere/python' is no program" in refused.stderr


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_the_active_environment_is_used_when_it_has_the_packages(toy, tmp_path, variable):
    own = toy.make_environment(tmp_path / "own", "tinypack==1.1")
    first = toy.press(**{variable: str(own)})
    assert first.stdout.startswith(f"{own} ")
    assert "note" in first.stderr and "tinypack 1.1 (pinned: 1.0)" in first.stderr
    second = toy.press(**{variable: str(own)})
    assert second.stdout == first.stdout and second.stderr == "", "the note comes once"


def test_an_active_environment_without_the_packages_is_left_alone(toy, tmp_path):
    own = toy.make_environment(tmp_path / "own")
    pressed = toy.press(VIRTUAL_ENV=str(own))
    assert pressed.stdout.startswith(f"{toy.venv} ")
    assert f"{own} lacks tinypack: using the project's own .venv" in pressed.stderr
    assert toy.press(VIRTUAL_ENV=str(own)).stderr == ""


def test_a_local_build_of_the_pinned_version_is_no_difference(toy, tmp_path):
    own = toy.make_environment(tmp_path / "own", "tinypack==1.0+cpu")
    assert toy.press(VIRTUAL_ENV=str(own)).stderr == ""


def test_the_number_of_processes_must_be_a_number(toy, tmp_path):
    own = toy.make_environment(tmp_path / "own", "tinypack==1.0")
    refused = toy.press(MOS_PYTHON=str(own / "bin" / "python"), MOS_PROCESSES="two")
    assert refused.returncode == 2 and "MOS_PROCESSES='two': needs a number" in refused.stderr


def test_several_processes_are_started_by_torchrun_but_not_for_help_or_inside_another(
    toy, tmp_path
):
    own = toy.make_environment(tmp_path / "own", "tinypack==1.0")
    fake = toy.project / "mos" / "engine"  # stands in for the module that starts torchrun
    fake.mkdir(parents=True)
    (fake / "several.py").write_text("import sys; print('torchrun', sys.argv[1:])")
    two = {"MOS_PYTHON": str(own / "bin" / "python"), "MOS_PROCESSES": "2"}
    words = "'--nproc_per_node', '2', '-m', 'toy.hello', '--model', 'unet', '--seed', '1'"
    assert words in toy.press("--seed", "1", **two).stdout
    assert "torchrun" not in toy.press("--help", **two).stdout
    assert "torchrun" not in toy.press(RANK="0", **two).stdout


@pytest.mark.slow
def test_without_a_working_uv_pip_installs_into_a_new_environment(toy, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    info = "tinypack-1.0.dist-info"
    with zipfile.ZipFile(wheels / "tinypack-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinypack.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinypack\nVersion: 1.0\n")
        tag = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(
            f"{info}/RECORD", f"tinypack.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    Toy._program(tmp_path / "bin" / "uv", "#!/bin/sh\nexit 1\n")
    pressed = toy.press(MOS_PIP_ARGS=f"--no-index --find-links {wheels}")
    assert pressed.returncode == 0, pressed.stderr
    assert list(toy.venv.glob("lib/*/site-packages/tinypack.py"))
    assert toy.press().stderr == ""
