"""`cmd/re_eval`: brings the metric files of stored epochs up to date."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.metrics.tolerance import parse_tolerances

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
class Options:
    """What to score again, and where to compute."""

    mode: Literal["", "complete", "normal", "force"] = option(
        "", "complete, normal or force; the flag may be left out"
    )
    run: tuple[str, ...] = option(
        (), "run folders (quote them), or a setting's folder; none: all of .checkpoint"
    )
    setting: tuple[str, ...] = option(
        (), "all runs on these datasets: acdc-0, or acdc for its folds"
    )
    nsd_tolerance: str = option(
        "", "mm of nsd, such as 2 or 2,3:1.5 (1.5 for label 3); empty: as each run says"
    )
    jobs: int = option(0, "processes; 0: one for each core, or one where a GPU computes")
    device: str = option("auto", "auto, cpu, cuda or cuda:1")
    precision: str = option(
        "auto",
        "auto, fp32, bf16 or fp16; auto: as the run was trained, or fp32 where this device cannot",
    )
    threads: int = option(0, "CPU threads of each process; 0: the cores shared out")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if not self.mode:
            raise BadInput("say how: .scripts/baseline/cmd/re_eval complete (or normal, or force)")
        if self.jobs < 0:
            raise BadInput(f"--jobs {self.jobs}: needs 0 or more")
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise BadInput(f"--precision {self.precision}: needs auto, fp32, bf16 or fp16")
        parse_tolerances(self.nsd_tolerance)


def main(argv: Sequence[str] | None = None) -> None:
    """Scores again what the options name; the first word is the mode even without a flag."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("-"):
        words[0] = f"--mode={words[0]}"
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
