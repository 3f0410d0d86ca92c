"""How a trainer is entered and left: what a stored run remembers, signals, and who speaks. Loads no torch."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from mos.errors import EXIT_BAD_INPUT, BadInput
from mos.folders import RUN_RECORD, epoch_folders

STOPPED = "stopped; the same command continues from the last stored epoch"
EXIT_TERMINATED = 128 + signal.SIGTERM
# What belongs to one start, or to the machine it runs on, and not to the run.
PER_START = ("start_epoch", "increase_epoch", "note", "device", "threads", "dataset_device") + (
    "use_profile",
)


def enter(work: Callable[[], None]) -> None:
    """Does the work of a trainer; of several processes the first one speaks.

    On SIGTERM (a queue's time limit, `kill`) it leaves as on Ctrl-C: the lock is given back.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        work()
    except (BadInput, KeyboardInterrupt) as error:
        if is_first() or os.environ.get("MOS_DEBUG") == "1":
            raise
        sys.exit(EXIT_BAD_INPUT if isinstance(error, BadInput) else 128 + signal.SIGINT)


def is_first() -> bool:
    """Whether this is the process that speaks and writes."""
    return os.environ.get("RANK", "0") == "0"


def stored_options(run: Path, start_epoch: int) -> dict[str, str]:
    """The options a run with stored epochs was last started with; {} for a new or restarted run.

    So `--increase_epoch 10` alone goes on with the learning rate typed weeks ago. A `run.json` that
    cannot be read is reported where the run is opened.
    """
    if start_epoch == 1 or not run.is_dir() or not epoch_folders(run):
        return {}
    try:
        stored = json.loads((run / RUN_RECORD).read_text(encoding="utf-8"))["options"]
        return {name: text for name, text in stored.items() if name not in PER_START}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _terminate(*_: object) -> None:
    if is_first():
        print(STOPPED, file=sys.stderr, flush=True)
    sys.exit(EXIT_TERMINATED)
