"""How soon a launcher answers, and how soon a training takes its first step.

Both are counted in processor time (user and system), bash included: what they take on a machine with nothing
else to do. The first step computes on all threads, so its own part is divided by their number. Beside it a
process that imports torch and MONAI's U-Net, which the network is built with, and does nothing else.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from mos.folders import project_folder
from run.baseline.phantom import ensure
from tests.benchmark import is_quick, plain_row

LAUNCHER = ".scripts/baseline/unet-2d-none"
ANSWERS = {
    "--help": (["--help"], 0),
    "--dry_run": (["--dry_run"], 0),
    "a refused option": (["--lerning_rate", "1e-3"], 2),
}
MOST_ANSWER, MOST_START = 0.5, 2.0
# Leaves after the first step, and says the work up to the step and that of the step.
FIRST_STEP = """
import resource, torch
from mos import timing
from mos.engine import train
from run.baseline.__main__ import main

def work():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

def to_the_step(*given, **named):
    global began
    began = work()
    return batches(*given, **named)

def first(*given):
    step(*given)
    print("MEASURED", began + (work() - began) / torch.get_num_threads(), flush=True)
    raise SystemExit(0)

batches, train.batches = train.batches, to_the_step
step, train._step = train._step, first
main()
"""
LIBRARIES = """
import resource
import torch
from monai.networks.nets.dynunet import DynUNet
used = resource.getrusage(resource.RUSAGE_SELF)
print("MEASURED", used.ru_utime + used.ru_stime)
"""


def work_of(command: Sequence[str], environ: Mapping[str, str], code: int) -> float:
    """User and system time of a command and its children, in seconds."""
    before = os.times()
    done = subprocess.run(command, env=environ, cwd=project_folder(), capture_output=True)
    after = os.times()
    if done.returncode != code:
        raise RuntimeError(f"{command}: exit code {done.returncode}: {done.stderr.decode()[-500:]}")
    return sum(after[2:4]) - sum(before[2:4])


def measured(program: str, environ: Mapping[str, str], *words: str) -> float:
    """What a Python program says it measured."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env=environ,
        cwd=project_folder(),
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("MEASURED")]
    if not said:
        raise RuntimeError(done.stderr[-1000:])
    return float(said[0].split()[1])


def main() -> None:
    rounds = 2 if is_quick(__doc__) else 5
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"MOS_CHECKPOINT": folder, "MOS_PYTHON": sys.executable}
        environ |= {"PYTHONPATH": str(project_folder()), "SETTING": "phantom-0", "COUNT": "1"}
        environ.pop("_MOS_TYPED", None)
        for what, (words, code) in ANSWERS.items():
            command = [LAUNCHER, *words]
            work_of(command, environ, code)
            seconds = statistics.median(work_of(command, environ, code) for _ in range(rounds))
            plain_row(
                f"`unet-2d-none` answers {what}",
                f"{seconds:.2f} s",
                "-",
                "-",
                f"< {MOST_ANSWER} s",
                seconds < MOST_ANSWER,
            )
        # As the launcher starts it; the dataset is made beforehand.
        words = "--model unet --model_dims 2 --model_channels 16,32,64,128 --batch_size 16".split()
        ensure("phantom-0")
        ours, theirs = [], []
        for number in range(rounds):
            postfix = ("--dir_postfix", f"[{number}]")
            ours.append(measured(FIRST_STEP, environ, *words, *postfix))
            theirs.append(measured(LIBRARIES, environ))
        own, library = statistics.median(ours), statistics.median(theirs)
        plain_row(
            "first training step done (2-D, batch 16 of 128x128)",
            f"{own:.2f} s",
            f"importing torch and MONAI's DynUNet {library:.2f} s",
            f"+ {own - library:.2f} s",
            f"at most + {MOST_START:g} s",
            own - library <= MOST_START,
        )


if __name__ == "__main__":
    main()
