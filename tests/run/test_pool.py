"""Work in several processes: results come back, refusals are results, orphans end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mos.errors import BadInput
from run.baseline.pool import in_processes


def half(number: int) -> float:
    if number % 2:
        raise BadInput(f"{number} is odd")
    return number / 2


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_has_its_result_and_a_refusal_stops_no_other(workers):
    found = {job: result for job, result in in_processes(half, iter([2, 3, 4, 6]), workers)}
    assert str(found.pop(3)) == "3 is odd"
    assert found == {2: 1.0, 4: 2.0, 6: 3.0}


def test_jobs_are_taken_only_as_they_can_be_done():
    taken = []

    def jobs():
        for number in range(0, 20, 2):
            taken.append(number)
            yield number

    results = in_processes(half, jobs(), 1)
    next(results)
    assert taken == [0]


def test_no_jobs_give_no_results():
    assert list(in_processes(half, iter(()), 2)) == []


def work_until_killed(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


PARENT = """
import sys
from run.baseline.pool import in_processes
from tests.run.test_pool import work_until_killed
if __name__ == "__main__":
    list(in_processes(work_until_killed, iter(sys.argv[1:]), 2))
"""


def test_processes_end_with_the_one_that_started_them(tmp_path):
    project = Path(__file__).resolve().parents[2]
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    said = tmp_path / "pid"
    environ = os.environ | {"PYTHONPATH": str(project)}
    parent = subprocess.Popen([sys.executable, script, said, tmp_path / "other"], env=environ)
    _wait_for(lambda: said.exists() and said.read_text(), 60)
    worker = int(said.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_for(lambda: not _lives(worker), 20)


def _wait_for(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
