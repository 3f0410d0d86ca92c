"""Options that commands about stored runs share: which runs, which epoch, and in which precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mos.arguments import option
from mos.errors import BadInput
from mos.folders import RUN_RECORD

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class RunsOptions:
    """Which stored runs a command is about; see `mos.report.named_runs`."""

    run: tuple[str, ...] = option(
        (), "run folders (quote them), or a setting's folder; none: all of .checkpoint"
    )
    setting: tuple[str, ...] = option(
        (), "all runs on these datasets: phantom-0, or phantom for its folds"
    )


def need_runs(runs: Sequence[str], task: str, example: str) -> None:
    """Checks that every word names the folder of one run.

    Args:
        example: the name of a run, for the message.

    Raises:
        BadInput: names the first that is none.
    """
    for run in runs:
        if not (Path(run) / RUN_RECORD).is_file():
            raise BadInput(
                f"--run {run}: no {RUN_RECORD} there; give a run's folder, such as "
                f"'.checkpoint/{task}-phantom-0/{example}' (quote it for its brackets and commas)"
            )


def parse_epoch(text: str) -> str:
    """Reads which epoch of a run is meant: `best`, `latest` or a number.

    Raises:
        BadInput: anything else.
    """
    if text not in ("best", "latest") and not text.isdecimal():
        raise BadInput("needs best, latest or a number")
    return text
