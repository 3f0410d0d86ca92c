"""Entry of the landmark trainer; launchers under `.scripts/landmark` start it."""

import os
import sys

from mos.arguments import parse
from mos.engine.entry import enter, stored_options
from mos.errors import run_main
from mos.folders import setting_folder
from run.landmark.model_arguments import TASK, ModelArguments


def main() -> None:
    """Parses the options and trains."""
    enter(_train)


def _train() -> None:
    resolved = parse(
        ModelArguments,
        sys.argv[1:],
        prog=os.environ.get("_MOS_LAUNCHER", "python -m run.landmark"),
        description="Train a network that finds named points in images, and score every epoch in millimetres.",
        environ=os.environ,
        remember=lambda options: stored_options(
            setting_folder(TASK, options.train_dataset) / options.run_name, options.start_epoch
        ),
    )
    from run.landmark.train import train  # torch loads here, after --help and refused options

    train(resolved.options, resolved.text, resolved.layers)


if __name__ == "__main__":
    run_main(main)
