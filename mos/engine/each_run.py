"""Doing something to many stored runs, each held meanwhile, so that one that fails stops no other."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mos.engine.lock import RunLock
from mos.errors import BadInput


def each_run(runs: Sequence[Path], work: Callable[[Path, str], None], *, named: bool) -> list[str]:
    """Does `work` to each run, given its folder and its name for messages, `baseline-heart-0/unet-2d-none`.

    Args:
        named: whether somebody named these runs. Of all runs some have no weights or no test cases, or are
            being trained; such are left out with a line.

    Returns:
        What is wrong with runs that were named.
    """
    problems = []
    for run in runs:
        name = "/".join(run.resolve().parts[-2:])
        try:
            with RunLock(run):
                work(run, name)
        except BadInput as error:
            text = str(error) if str(run) in str(error) else f"{name}: {error}"
            if named:
                problems.append(text)
            else:
                print(f"left out: {text}")
    return problems
