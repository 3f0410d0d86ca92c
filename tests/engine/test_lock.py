"""One process per run folder."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from mos.engine.lock import LOCK_NAME, STALE_SECONDS, RunLock
from mos.errors import BadInput

HOLD = """
import sys
from pathlib import Path
from mos.engine.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """A second, real process that holds the folder until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def write_lock(folder, *, age=0.0, **holder):
    own = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_start": "1",
        "started": "then",
    }
    path = folder / LOCK_NAME
    path.write_text(json.dumps(own | holder))
    os.utime(path, (time.time() - age,) * 2)


def test_the_second_process_is_refused_by_name_of_host_and_pid(tmp_path, holder):
    with pytest.raises(BadInput) as refused:
        RunLock(tmp_path).__enter__()
    message = str(refused.value)
    assert str(holder.pid) in message and socket.gethostname() in message
    assert str(tmp_path) in message and "--dir_postfix" in message
    assert sorted(p.name for p in tmp_path.iterdir()) == [LOCK_NAME]


def test_when_the_first_ends_its_lock_is_gone(tmp_path, holder):
    holder.communicate("\n")
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, holder, capsys):
    holder.kill()
    holder.wait()
    assert (tmp_path / LOCK_NAME).exists()
    with RunLock(tmp_path):
        assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()
    assert f"process {holder.pid}" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_pid_that_was_given_to_a_later_process_does_not_hold_the_lock(tmp_path):
    write_lock(tmp_path, pid=os.getpid(), process_start="another start")
    with RunLock(tmp_path):
        pass


def test_a_fresh_lock_of_another_host_is_respected(tmp_path):
    write_lock(tmp_path, host="another-host", pid=77, age=60)
    with pytest.raises(BadInput, match="process 77 on another-host"):
        RunLock(tmp_path).__enter__()


def test_an_old_lock_of_another_host_is_taken_over(tmp_path):
    write_lock(tmp_path, host="another-host", pid=77, age=STALE_SECONDS + 60)
    with RunLock(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", "null"])
def test_a_garbled_lock_is_respected_while_fresh_and_taken_over_when_old(tmp_path, text):
    path = tmp_path / LOCK_NAME
    path.write_text(text)
    with pytest.raises(BadInput, match=LOCK_NAME):
        RunLock(tmp_path).__enter__()
    os.utime(path, (time.time() - STALE_SECONDS - 60,) * 2)
    with RunLock(tmp_path):
        pass


def test_the_lock_is_removed_when_the_work_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path / "run"):
        1 / 0
    assert not list((tmp_path / "run").iterdir())


def test_while_it_is_held_its_heartbeat_keeps_the_lock_young(tmp_path, monkeypatch):
    monkeypatch.setattr("mos.engine.lock.HEARTBEAT_SECONDS", 0.01)
    with RunLock(tmp_path):
        os.utime(tmp_path / LOCK_NAME, (0, 0))
        for _ in range(300):
            if (tmp_path / LOCK_NAME).stat().st_mtime > 0:
                break
            time.sleep(0.01)
        assert time.time() - (tmp_path / LOCK_NAME).stat().st_mtime < 60


def test_a_lock_another_process_took_meanwhile_is_put_back_and_respected(tmp_path, monkeypatch):
    # Between judging the dead lock and renaming it, a faster process has made a lock of its own.
    write_lock(tmp_path, host=socket.gethostname(), pid=2**22 + 1, process_start="0")
    fresh = json.dumps({"host": "elsewhere", "pid": 7, "started": "now"})
    rename = os.rename

    def late(source, target):
        (tmp_path / LOCK_NAME).write_text(fresh)
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    with pytest.raises(BadInput, match="process 7 on elsewhere"):
        RunLock(tmp_path).__enter__()
    assert (tmp_path / LOCK_NAME).read_text() == fresh


def test_a_file_system_without_hard_links_can_be_locked_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with RunLock(tmp_path):
        with pytest.raises(BadInput, match="in use by process"):
            RunLock(tmp_path).__enter__()
    assert not (tmp_path / LOCK_NAME).exists()
