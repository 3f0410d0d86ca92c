"""`cmd/re_eval`: brings the metric files of stored epochs up to date."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mos.arguments import name_leading, option, parse
from mos.errors import BadInput, run_main
from mos.metrics.tolerance import parse_tolerances
from run.baseline.scoring_arguments import ScoringArguments

DESCRIPTION = (
    "Scores stored epochs again, without training. Give the mode first:\n"
    "  re_eval complete   fill in what is missing, above all metrics that are newer than the run. What voxel\n"
    "                     counts decide is filled in for every epoch; what needs the network, for epochs that\n"
    "                     still have weights (latest, best and every tenth). Stored values stay.\n"
    "  re_eval normal     score anew what has no .bk yet\n"
    "  re_eval force      score everything anew\n"
    "The old file stays once as <name>.bk. A run that is being trained is skipped, one whose dataset file has\n"
    "changed is refused, and the others go on. Killed at any moment, the same command goes on. metric.jsonl is\n"
    "history and stays as it is; cmd/summary reads the files."
)
MODES = ("complete", "normal", "force")


@dataclass(frozen=True, kw_only=True)
class Options(ScoringArguments):
    """What to score again, and where to compute."""

    mode: Literal["", "complete", "normal", "force"] = option(
        "", "complete, normal or force; the flag may be left out"
    )
    nsd_tolerance: str = option(
        "", "mm of nsd, such as 2 or 2,3:1.5 (1.5 for label 3); empty: as each run says"
    )

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if not self.mode:
            raise BadInput("say how: .scripts/baseline/cmd/re_eval complete (or normal, or force)")
        super().check()
        parse_tolerances(self.nsd_tolerance)


def main(argv: Sequence[str] | None = None) -> None:
    """Scores again what the options name; the first word is the mode even without a flag."""
    words = name_leading(argv, "mode", most=1)
    score_again(
        parse(Options, words, prog=".scripts/baseline/cmd/re_eval", description=DESCRIPTION).options
    )


def score_again(options: Options) -> None:
    """Does it and prints what was done.

    Raises:
        BadInput: what was refused, or what disagrees with its stored scores, after all else is done.
    """
    from run.baseline.re_eval_outcome import tell
    from run.baseline.re_evaluating import re_evaluate

    problems = tell(options.mode, re_evaluate(options))
    if problems:
        raise BadInput("\n".join(problems))


if __name__ == "__main__":
    run_main(main)
