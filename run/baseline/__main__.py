"""Entry of the segmentation trainer; launchers under `.scripts/baseline` start it."""

from mos.arguments import Resolved
from mos.engine.entry import enter
from mos.errors import run_main
from run.baseline.model_arguments import ModelArguments


def main() -> None:
    """Trains the run that the options name, or scores or draws what it has stored."""
    enter(
        ModelArguments,
        module="run.baseline",
        description="Train a segmentation network on whole medical volumes and score every epoch.",
        train=_train,
        score_again=_score_again,
        plot_test=_plot_test,
    )


def _train(resolved: Resolved[ModelArguments]) -> None:
    from run.baseline.train import train  # torch loads here, after --help and refused options

    train(resolved.options, resolved.text, resolved.layers)


def _score_again(options: ModelArguments) -> None:
    """`--re_eval`: the launcher's own run as `cmd/re_eval` would, with one process."""
    from run.baseline.cmd.re_eval import Options, score_again

    score_again(
        Options(
            mode=options.re_eval,
            run=(str(options.folder),),
            nsd_tolerance=options.nsd_tolerance,
            jobs=1,
            device=options.device,
            threads=options.threads,
        )
    )


def _plot_test(options: ModelArguments) -> None:
    """`--run_plot_test`: figures of the launcher's own run as `cmd/plot-test` draws them."""
    from run.baseline.cmd.plot_test import Options, plot

    plot(Options(run=(str(options.folder),), device=options.device, threads=options.threads))


if __name__ == "__main__":
    run_main(main)
