"""How a trainer is entered and left: what a stored run remembers, signals, and who speaks. Loads no torch."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from mos.arguments import Resolved, parse
from mos.errors import EXIT_BAD_INPUT, BadInput
from mos.folders import RUN_RECORD, epoch_folders

STOPPED = "stopped; the same command continues from the last stored epoch"
EXIT_TERMINATED = 128 + signal.SIGTERM
# What belongs to one start, or to the machine it runs on, and not to the run.
PER_START = ("start_epoch", "increase_epoch", "note", "device", "threads", "dataset_device") + (
    "use_profile",
)


class RunOptions(Protocol):
    """Options of a trainer that know the folder of their run."""

    re_eval: str
    run_plot_test: bool
    start_epoch: int

    @property
    def folder(self) -> Path: ...


O = TypeVar("O", bound=RunOptions)


def enter(
    options_type: type[O],
    *,
    module: str,
    description: str,
    train: Callable[[Resolved[O]], None],
    score_again: Callable[[O], None],
    plot_test: Callable[[O], None],
) -> None:
    """Reads the options of a trainer and does what they ask for; of several processes the first one speaks.

    On SIGTERM (a queue's time limit, `kill`) it leaves as on Ctrl-C: the lock is given back.

    Args:
        module: `run.<task>`, for the help of a trainer that no launcher started.
        train: what it is for.
        score_again, plot_test: what `--re_eval` and `--run_plot_test` ask for instead, of the run's stored epochs;
            in the first process alone.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        resolved = parse(
            options_type,
            prog=os.environ.get("_MOS_LAUNCHER", f"python -m {module}"),
            description=description,
            environ=os.environ,
            remember=lambda options: stored_options(options.folder, options.start_epoch),
        )
        options = resolved.options
        if not (options.re_eval or options.run_plot_test):
            train(resolved)
        elif is_first():
            (score_again if options.re_eval else plot_test)(options)
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
