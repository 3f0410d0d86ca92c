"""Entry of the segmentation trainer; launchers under `.scripts/baseline` start it."""

import os
import signal
import sys

from mos.arguments import parse
from mos.errors import EXIT_BAD_INPUT, BadInput, run_main
from run.baseline.model_arguments import ModelArguments

STOPPED = "stopped; the same command continues from the last stored epoch"
EXIT_TERMINATED = 128 + signal.SIGTERM


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
    )
    from run.baseline.train import train  # torch loads here, after --help and refused options

    train(resolved.options, resolved.text, resolved.layers)


def _terminate(*_: object) -> None:
    """Leaves on SIGTERM (a queue's time limit, `kill`) as on Ctrl-C: the lock is given back."""
    if _is_first():
        print(STOPPED, file=sys.stderr, flush=True)
    sys.exit(EXIT_TERMINATED)


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


if __name__ == "__main__":
    run_main(main)
