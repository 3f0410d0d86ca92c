"""Entry of the landmark trainer; launchers under `.scripts/landmark` start it."""

import os
import sys
from pathlib import Path

from mos.arguments import parse
from mos.engine.entry import enter, is_first, stored_options
from mos.errors import BadInput, run_main
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
        remember=lambda options: stored_options(_run(options), options.start_epoch),
    )
    if resolved.options.re_eval:
        _score_again(resolved.options)
        return
    if resolved.options.run_plot_test:
        _plot_test(resolved.options)
        return
    from run.landmark.train import train  # torch loads here, after --help and refused options

    train(resolved.options, resolved.text, resolved.layers)


def _score_again(options: ModelArguments) -> None:
    """`--re_eval`: the launcher's own run as `cmd/re_eval` would."""
    from run.landmark.cmd.re_eval import Options, score_again

    if is_first():
        place = {"device": options.device, "threads": options.threads}
        score_again(Options(mode=options.re_eval, run=(str(_run(options)),), **place))


def _plot_test(options: ModelArguments) -> None:
    """`--run_plot_test`: figures of the launcher's own run as `cmd/plot-test` draws them."""
    from run.landmark.cmd.plot_test import Options
    from run.landmark.plotting import plot_runs

    if is_first() and (problems := plot_runs(Options(run=(str(_run(options)),)))):
        raise BadInput("\n".join(problems))


def _run(options: ModelArguments) -> Path:
    return setting_folder(TASK, options.train_dataset) / options.run_name


if __name__ == "__main__":
    run_main(main)
