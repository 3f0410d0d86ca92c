"""One thing the doctor found, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

# good: as it should be. note: it works, and something could be better. wrong: a training would fail.
Verdict = Literal["good", "note", "wrong"]
MARKS = {"good": " ", "note": "-", "wrong": "!"}


@dataclass(frozen=True)
class Finding:
    """A line of the doctor's report.

    Attributes:
        about: what was looked at, one word.
        found: what is there.
        do: what to do about it; empty where nothing needs doing.
    """

    about: str
    found: str
    verdict: Verdict = "good"
    do: str = ""


def text(findings: list[Finding]) -> str:
    """The findings as aligned lines, each with its advice below it."""
    width = max((len(one.about) for one in findings), default=0)
    lines = []
    for one in findings:
        lines.append(f"{MARKS[one.verdict]} {one.about:<{width}}  {one.found}")
        if one.do:
            lines.append(f"  {'':<{width}}    -> {one.do}")
    return "\n".join(lines)
