"""Entry of the landmark trainer; launchers under `.scripts/landmark` start it."""

from mos.arguments import Resolved
from mos.engine.entry import enter
from mos.errors import run_main
from run.landmark.model_arguments import ModelArguments


def main() -> None:
    """Trains the run that the options name, or scores or draws what it has stored."""
    enter(
        ModelArguments,
        module="run.landmark",
        description="Train a network that finds named points in images, and score every epoch in millimetres.",
        train=_train,
        score_again=_score_again,
        plot_test=_plot_test,
    )


def _train(resolved: Resolved[ModelArguments]) -> None:
    from run.landmark.train import train  # torch loads here, after --help and refused options

    train(resolved.options, resolved.text, resolved.layers)


def _score_again(options: ModelArguments) -> None:
    """`--re_eval`: the launcher's own run as `cmd/re_eval` would."""
    from run.landmark.cmd.re_eval import Options, score_again

    place = {"device": options.device, "threads": options.threads}
    score_again(Options(mode=options.re_eval, run=(str(options.folder),), **place))


def _plot_test(options: ModelArguments) -> None:
    """`--run_plot_test`: figures of the launcher's own run as `cmd/plot-test` draws them."""
    from run.landmark.cmd.plot_test import Options, plot

    plot(Options(run=(str(options.folder),)))


if __name__ == "__main__":
    run_main(main)
