"""Entry of the segmentation trainer; launchers under `.scripts/baseline` start it."""

import json
import os
import signal
import sys

from mos.arguments import parse
from mos.errors import EXIT_BAD_INPUT, BadInput, run_main
from mos.folders import RUN_RECORD, epoch_folders, setting_folder
from run.baseline.model_arguments import TASK, ModelArguments

STOPPED = "stopped; the same command continues from the last stored epoch"
EXIT_TERMINATED = 128 + signal.SIGTERM
# What belongs to one start, or to the machine it runs on, and not to the run.
PER_START = ("start_epoch", "increase_epoch", "note", "device", "threads", "dataset_device") + (
    "use_profile",
)


def main() -> None:
    """Parses the options and trains."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        _train()
    except (BadInput, KeyboardInterrupt) as error:
        # Of several processes the first one speaks.
        if _is_first() or os.environ.get("MOS_DEBUG") == "1":
            raise
        sys.exit(EXIT_BAD_INPUT if isinstance(error, BadInput) else 128 + signal.SIGINT)


def _train() -> None:
    resolved = parse(
        ModelArguments,
        sys.argv[1:],
        prog=os.environ.get("_MOS_LAUNCHER", "python -m run.baseline"),
        description="Train a segmentation network on whole medical volumes and score every epoch.",
        environ=os.environ,
        remember=stored_options,
    )
    if resolved.options.re_eval:
        _score_again(resolved.options)
        return
    if resolved.options.run_plot_test:
        _plot_test(resolved.options)
        return
    from run.baseline.train import train  # torch loads here, after --help and refused options

    train(resolved.options, resolved.text, resolved.layers)


def _score_again(options: ModelArguments) -> None:
    """`--re_eval`: the launcher's own run as `cmd/re_eval` would, with one process."""
    from run.baseline.cmd.re_eval import Options, score_again

    if not _is_first():
        return
    run = setting_folder(TASK, options.train_dataset) / options.run_name
    score_again(
        Options(
            mode=options.re_eval,
            run=(str(run),),
            nsd_tolerance=options.nsd_tolerance,
            jobs=1,
            device=options.device,
            threads=options.threads,
        )
    )


def _plot_test(options: ModelArguments) -> None:
    """`--run_plot_test`: figures of the launcher's own run as `cmd/plot-test` draws them."""
    from run.baseline.cmd.plot_test import Options, plot

    if not _is_first():
        return
    run = setting_folder(TASK, options.train_dataset) / options.run_name
    plot(Options(run=(str(run),), device=options.device, threads=options.threads))


def stored_options(options: ModelArguments) -> dict[str, str]:
    """The options a run with stored epochs was last started with; {} for a new or restarted run.

    So `--increase_epoch 10` alone goes on with the learning rate typed weeks ago. A `run.json` that
    cannot be read is reported where the run is opened.
    """
    run = setting_folder(TASK, options.train_dataset) / options.run_name
    if options.start_epoch == 1 or not run.is_dir() or not epoch_folders(run):
        return {}
    try:
        stored = json.loads((run / RUN_RECORD).read_text(encoding="utf-8"))["options"]
        return {name: text for name, text in stored.items() if name not in PER_START}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _terminate(*_: object) -> None:
    """Leaves on SIGTERM (a queue's time limit, `kill`) as on Ctrl-C: the lock is given back."""
    if _is_first():
        print(STOPPED, file=sys.stderr, flush=True)
    sys.exit(EXIT_TERMINATED)


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


if __name__ == "__main__":
    run_main(main)
