"""Entry of the segmentation trainer; launchers under `.scripts/baseline` start it."""

import os
import sys

from mos.arguments import parse
from mos.errors import run_main
from run.baseline.model_arguments import ModelArguments


def main() -> None:
    """Parses the options and trains."""
    resolved = parse(
        ModelArguments,
        sys.argv[1:],
        prog=os.environ.get("_MOS_LAUNCHER", "python -m run.baseline"),
        description="Train a segmentation network on whole medical volumes and score every epoch.",
        environ=os.environ,
    )
    from run.baseline.train import train  # torch loads here, after --help and refused options

    train(resolved.options, resolved.text, resolved.layers)


if __name__ == "__main__":
    run_main(main)
