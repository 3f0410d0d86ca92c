"""`cmd/zeroshot`: scores stored runs on sets they were not trained for."""

from collections.abc import Sequence
from dataclasses import dataclass

from mos.arguments import REQUIRED, option, parse
from mos.errors import BadInput, run_main
from run.baseline.scoring_arguments import ScoringArguments

DESCRIPTION = (
    "Scores every stored run, or those named, on datasets it was not trained for, and writes\n"
    "zeroshot-metrics.pt beside the epoch; several sets stand in it side by side. cmd/summary shows each beside\n"
    "the run's own test. Scored are all volumes of a zero-shot or auxiliary file, the test volumes of a main\n"
    "file (all its training volumes where it tests nothing), and of the labels those that the set annotates and\n"
    "the run has learnt. A set with patients of the run's training or validation is refused. Volumes with other\n"
    "voxels than the run has learnt are resampled to predict and scored on their own grid. What is scored\n"
    "already is kept; killed at any moment, the same command goes on."
)


@dataclass(frozen=True, kw_only=True)
class Options(ScoringArguments):
    """Which runs on which sets, and where to compute."""

    zeroshot_dataset: str = option(
        REQUIRED, "sets joined by commas, such as phantom-zeroshot,sunnybrook-all"
    )
    zeroshot_dataset_labels: str = option(
        "", "ids to score, such as 2-4; one list per set, joined by ';'; empty: all that can be"
    )
    epoch: str = option(
        "best",
        "best (by validation), latest, the number of a stored epoch, or all that have weights",
    )

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if self.epoch not in ("best", "latest", "all") and not self.epoch.isdecimal():
            raise BadInput(f"--epoch {self.epoch}: needs best, latest, all or a number")
        if "" in self.zeroshot_dataset.split(","):
            raise BadInput(
                f"--zeroshot_dataset {self.zeroshot_dataset!r}: needs names joined by ','"
            )
        super().check()


def main(argv: Sequence[str] | None = None) -> None:
    """Scores what the options name.

    Raises:
        BadInput: what was refused, after all else is done; nothing at all could be scored.
    """
    options: Options = parse(
        Options, argv, prog=".scripts/baseline/cmd/zeroshot", description=DESCRIPTION
    ).options
    from run.baseline.zeroshotting import score_zeroshot

    outcome = score_zeroshot(options)
    for text in outcome.scores:
        print(text)
    for text in outcome.skipped:
        print(f"skipped: {text}")
    print(f"zero-shot: {outcome.scored} sets of epochs scored, {outcome.had} were there already")
    if outcome.refused:
        raise BadInput("\n".join(f"refused: {text}" for text in outcome.refused))
    if not outcome.scored and not outcome.had:
        raise BadInput("no run could be scored; see the lines above")


if __name__ == "__main__":
    run_main(main)
