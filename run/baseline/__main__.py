"""Entry of the segmentation trainer; launchers under `.scripts/baseline` start it."""

import os
import sys
from pathlib import Path

from mos.arguments import parse
from mos.engine.entry import enter, is_first, stored_options
from mos.errors import run_main
from mos.folders import setting_folder
from run.baseline.model_arguments import TASK, ModelArguments


def main() -> None:
    """Parses the options and trains."""
    enter(_train)


def _train() -> None:
    resolved = parse(
        ModelArguments,
        sys.argv[1:],
        prog=os.environ.get("_MOS_LAUNCHER", "python -m run.baseline"),
        description="Train a segmentation network on whole medical volumes and score every epoch.",
        environ=os.environ,
        remember=lambda options: stored_options(_run(options), options.start_epoch),
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

    if not is_first():
        return
    score_again(
        Options(
            mode=options.re_eval,
            run=(str(_run(options)),),
            nsd_tolerance=options.nsd_tolerance,
            jobs=1,
            device=options.device,
            threads=options.threads,
        )
    )


def _plot_test(options: ModelArguments) -> None:
    """`--run_plot_test`: figures of the launcher's own run as `cmd/plot-test` draws them."""
    from run.baseline.cmd.plot_test import Options, plot

    if not is_first():
        return
    plot(Options(run=(str(_run(options)),), device=options.device, threads=options.threads))


def _run(options: ModelArguments) -> Path:
    return setting_folder(TASK, options.train_dataset) / options.run_name


if __name__ == "__main__":
    run_main(main)
