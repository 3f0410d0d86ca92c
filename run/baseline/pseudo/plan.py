"""Which cases an annotator gets next: new ones by confidence, and earlier ones to see what was learned."""

import random
from collections.abc import Mapping, Sequence
from typing import Literal

Order = Literal["least_confident", "most_confident", "source", "random"]


def next_cases(
    confidence: Mapping[str, float], count: int, order: Order, seed: int = 0
) -> list[str]:
    """The cases to hand out next.

    Args:
        confidence: 0..1 of each case that is predicted and not handed out, in the order of the source.
        count: at most so many.
        order: `least_confident` first: they teach most; `most_confident`: they are quickest to correct;
            `source`: as listed; `random`: an unbiased sample, drawn from `seed`.
    """
    cases = list(confidence)
    if order == "random":
        random.Random(seed).shuffle(cases)
    elif order != "source":
        sign = 1 if order == "least_confident" else -1
        cases.sort(key=lambda case: sign * confidence[case])  # stable: of equals the first listed
    return cases[:count]


def next_checks(
    learned: Mapping[str, Mapping[str, float]], shown: Sequence[str], count: int
) -> list[str]:
    """Corrected cases to look at again: where a later teacher still agrees least with the corrections.

    Args:
        learned: dice 0..1 by label of each corrected case, the later teacher against the corrected labels.
        shown: cases that were handed out for a look in this round already.
        count: at most so many.
    """

    def agreement(case: str) -> float:
        values = learned[case].values()
        return sum(values) / len(values) if values else 1.0

    return sorted((case for case in learned if case not in shown), key=agreement)[:count]
