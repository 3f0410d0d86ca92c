"""What a re-evaluation did, and how a user is told."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What the command did, for its last lines."""

    scored: int = 0
    filled: int = 0
    whole: int = 0
    changed: list[str] = field(default_factory=list)  # recomputed scores that disagree
    refused: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    lacking: Counter = field(default_factory=Counter)  # (metric, why) -> cells
    compared: int = 0
    identical: int = 0


def tell(mode: str, outcome: Outcome) -> list[str]:
    """Prints what was done; returns what a user must look at."""
    print(
        f"re_eval {mode}: {outcome.scored} files scored with their weights, {outcome.filled} filled in from "
        f"stored counts, {outcome.whole} were complete"
    )
    if outcome.compared:
        print(
            f"scored again: the dice of {outcome.identical} of {outcome.compared} files is the stored one to "
            "the last digit"
        )
    for (key, why), cells in sorted(outcome.lacking.items()):
        print(f"still missing: {key} of {cells} scores ({why})")
    for text in outcome.skipped:
        print(f"skipped: {text}")
    return [f"refused: {text}" for text in outcome.refused] + [
        f"CHANGED: {text}" for text in outcome.changed
    ]
