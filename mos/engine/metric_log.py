"""`metric.jsonl`: one line per stage and epoch, in the order they were done."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mos.errors import BadInput
from mos.files import write_text
from mos.folders import METRIC_LOG

Line = dict[str, Any]


def read_lines(run: Path) -> list[Line]:
    """All lines, in the order they were written; a torn last one, without its line end, is left out.

    Raises:
        BadInput: a line is no JSON.
    """
    path = run / METRIC_LOG
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    try:
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    except ValueError as error:
        raise BadInput(
            f"{path}: holds a line that is no JSON ({error}); mend or delete it"
        ) from error


def append_line(run: Path, epoch: int, stage: str, values: Mapping[str, Any]) -> None:
    """Adds one line; the file is written anew and renamed, so a full disk leaves no torn line.

    Raises:
        BadInput: the disk is full or the folder cannot be written to.
    """
    line = {"epoch": epoch, "stage": stage, **values, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    write_text(run / METRIC_LOG, _text([*read_lines(run), line]))


def drop_lines(run: Path, first: int, grave: Path | None) -> None:
    """Takes the lines of epochs `first` and later out, into `grave` where one is given."""
    lines = read_lines(run)
    kept = [line for line in lines if line["epoch"] < first]
    if len(kept) == len(lines):
        return
    if grave is not None:
        write_text(grave / METRIC_LOG, _text([line for line in lines if line["epoch"] >= first]))
    write_text(run / METRIC_LOG, _text(kept))


def best_epoch(
    lines: Sequence[Line], among: Sequence[int], key: str, mode: Literal["max", "min"]
) -> int | None:
    """The epoch with the best validation score among those given; of equals, the later one.

    Only lines of the stage `valid` are looked at, so a test score can never choose. An epoch
    without a finite score is never best.
    """
    sign = 1 if mode == "max" else -1
    scored = [
        (sign * line[key], line["epoch"])
        for line in lines
        if line["stage"] == "valid" and line["epoch"] in set(among) and line.get(key) is not None
    ]
    return max(scored)[1] if scored else None


def _text(lines: Sequence[Line]) -> str:
    return "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
