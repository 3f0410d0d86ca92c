"""`cmd/re_eval`: brings the metric files of stored landmark runs up to date."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mos.arguments import name_leading, option, parse
from mos.errors import BadInput, run_main
from mos.stored_options import Precision, RunsOptions

DESCRIPTION = (
    "Scores stored epochs again, without training. Give the mode first:\n"
    "  re_eval complete   compute metrics that are newer than the run from the errors its files hold, and score\n"
    "                     epochs that have weights and no scores. Stored values stay.\n"
    "  re_eval normal     score anew what has weights and no .bk yet\n"
    "  re_eval force      score everything anew that has weights (latest, best and every tenth epoch)\n"
    "The old file stays once as <name>.bk. A run that is being trained is skipped, one whose dataset file has\n"
    "changed is refused, and the others go on. metric.jsonl is history and stays as it is."
)


@dataclass(frozen=True, kw_only=True)
class Options(RunsOptions):
    """What to score again, and where to compute."""

    mode: Literal["", "complete", "normal", "force"] = option(
        "", "complete, normal or force; the flag may be left out"
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:1")
    precision: Precision = option("auto", "auto: that of the training, where this device has it")
    threads: int = option(0, "CPU threads; 0: all cores")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if not self.mode:
            raise BadInput("say how: .scripts/landmark/cmd/re_eval complete (or normal, or force)")
        if self.threads < 0:
            raise BadInput(f"--threads {self.threads}: needs 0 or more")


def main(argv: Sequence[str] | None = None) -> None:
    """Scores again what the options name; the first word is the mode even without a flag."""
    words = name_leading(argv, "mode", most=1)
    score_again(
        parse(Options, words, prog=".scripts/landmark/cmd/re_eval", description=DESCRIPTION).options
    )


def score_again(options: Options) -> None:
    """Does it and prints what was done.

    Raises:
        BadInput: runs that were refused, after all else is done.
    """
    from run.landmark.re_evaluating import re_evaluate

    outcome = re_evaluate(options)
    print(
        f"re_eval {options.mode}: {outcome.scored} files scored with their weights, {outcome.filled} filled in "
        f"from stored errors, {outcome.whole} were complete"
    )
    for text in outcome.skipped:
        print(f"skipped: {text}")
    if outcome.refused:
        raise BadInput("\n".join(f"refused: {text}" for text in outcome.refused))


if __name__ == "__main__":
    run_main(main)
