"""Times the whole of cmd/summary on many runs: from cold, unchanged, and after one new epoch.

    .venv/bin/python -m tests.benchmark.report_speed /tmp/speed                  500 runs x 100 epochs, 3.3 GB
    .venv/bin/python -m tests.benchmark.report_speed /tmp/speed --runs 50 --epochs 10

A tree that is there is used again. Times are those of a process of its own, Python's start and imports
included (compiled once, as for any user); user + system is the work, and what counts where other jobs share the
machine. Reads files through whatever the system has kept of them in memory: just built, that is most of them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from multiprocessing import Process
from pathlib import Path

from mos import folders
from tests.benchmark import plain_row
from tests.benchmark.report_tree import SOME_TIME_AGO, build, log_lines

COLD, AGAIN, MOST_MB = 60, 3, 1500
PROJECT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the tree is, or is to be built")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--cases", type=int, default=100)
    options = parser.parse_args()
    root = options.folder / f"{options.runs}x{options.epochs}x{options.cases}"
    if not root.exists():
        half = root.with_name(f"{root.name}.half")
        sizes = {"runs": options.runs, "epochs": options.epochs, "cases": options.cases}
        # In a process of its own: the memory of this one is counted with what it starts.
        builder = Process(target=build, args=(half,), kwargs=sizes)
        builder.start()
        builder.join()
        if builder.exitcode:
            raise SystemExit("the tree could not be built")
        half.rename(root)
    run = sorted(root.glob("baseline-*/*/run.json"))[0].parent
    set_training(run)
    print(
        f"{options.runs} runs x {options.epochs} epochs x {options.cases} cases, in seconds and MB"
    )
    print(f"{'':34}{'wall':>8}{'work':>8}{'memory':>8}")
    shutil.rmtree(root / "summary", ignore_errors=True)
    (root.parent / "compiled").mkdir(exist_ok=True)
    time.sleep(4)  # what was written just now is not kept
    shown = f"{options.runs} runs x {options.epochs} epochs x {options.cases} cases x 8 metrics"
    first = tell("cold", root)
    row(f"summary of {shown}, from cold", first, COLD)
    tell("again, nothing new", root)
    add_epoch(run, best=False)
    row("the same, after one new epoch", tell("again, one new epoch", root), AGAIN)
    add_epoch(run, best=True)
    row("the same, after one that is the best", tell("again, now the best", root), None)


def row(what: str, used: tuple[float, float, float], most: float | None) -> None:
    """A row of the table: the time of a machine with nothing else to do lies between work / 2 and work."""
    wall, work, memory = used
    reached = "-" if most is None else min(wall, work) < most and memory < MOST_MB
    told = f"{wall:.1f} s, {work:.1f} s of work, {memory:.0f} MB"
    reach = f"< {most:g} s, < {MOST_MB} MB" if most else "-"
    plain_row(what, told, "-", "-", reach, reached)


def tell(what: str, root: Path) -> tuple[float, float, float]:
    """Runs the command and prints a line; seconds, seconds of work and MB."""
    command = [sys.executable, "-m", "run.baseline.cmd.summary", "--checkpoint_folder", str(root)]
    started = time.monotonic()
    # A developer's machine may keep no compiled code, and would compile it at every start.
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(root.parent / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if status:
        raise SystemExit(f"the summary failed: {status}")
    work = used.ru_utime + used.ru_stime
    print(f"{what:34}{wall:8.1f}{work:8.1f}{used.ru_maxrss / 1024:8.0f}", flush=True)
    return wall, work, used.ru_maxrss / 1024


def set_training(run: Path) -> None:
    """A run that gets new epochs is not finished, and the report warns of it in words that change with them."""
    record = json.loads((run / folders.RUN_RECORD).read_text(encoding="utf-8"))
    (run / folders.RUN_RECORD).write_text(json.dumps(record | {"finished": None}, indent=1))


def add_epoch(run: Path, *, best: bool) -> None:
    """One more epoch of a run, as training leaves it."""
    last = folders.epoch_numbers(run)[-1]
    place = folders.epoch_folder(run, last + 1)
    place.mkdir()
    for stage in ("test", "valid"):
        old = folders.metric_file(folders.epoch_folder(run, 1 if best else last), stage)
        path = folders.metric_file(place, stage)
        path.write_bytes(old.read_bytes())
        os.utime(path, (SOME_TIME_AGO, SOME_TIME_AGO))
    with open(run / folders.METRIC_LOG, "a", encoding="utf-8") as log:
        log.writelines(
            f"{json.dumps(line)}\n" for line in log_lines(last + 1, 0.95 if best else 0.1)
        )
    for name in (folders.LATEST, *([folders.BEST] if best else [])):
        (run / name).unlink()
        (run / name).symlink_to(place.name)


if __name__ == "__main__":
    main()
