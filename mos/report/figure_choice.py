"""Which cases a figure shows: chosen by a rule from the scores of the runs, never by eye."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mos.errors import BadInput

CASE_RULES = ("best", "median", "worst", "disagreement", "all")
_TITLES = {"disagreement": "largest disagreement", "all": ""}


@dataclass(frozen=True, kw_only=True)
class ChosenCase:
    """A case and why it is shown."""

    case: str
    rule: str  # `best`, `worst, largest disagreement`, or "" for one that was named


def choose_cases(
    scores: Mapping[str, Mapping[str, float]], wanted: Sequence[str], higher_is_better: bool
) -> list[ChosenCase]:
    """Picks cases.

    Args:
        scores: by run, then case: one number a case; runs that are missing are left out.
        wanted: rules or case ids, in the order of the figure. `best`, `median`, `worst` go by the mean
            over the runs, `disagreement` by the difference between the best and the worst run; `worst:3`
            gives three; `all` gives every case. inf counts as worst. Rules choose among the cases that
            all runs have scored.

    Returns:
        The cases, each once; a case that two rules pick carries both names.

    Raises:
        BadInput: no such rule or case, or no case that all runs have scored.
    """
    runs = list(scores.values())
    every = sorted({case for run in runs for case in run})
    common = [
        case for case in every if all(not math.isnan(run.get(case, math.nan)) for run in runs)
    ]
    picked: dict[str, list[str]] = {}
    for word in wanted:
        rule, _, number = word.partition(":")
        if word in every:
            picked.setdefault(word, [])
            continue
        if rule not in CASE_RULES or (number and not (number.isdecimal() and int(number))):
            raise BadInput(
                f"--cases {word}: needs best, median, worst, disagreement (or worst:3 for three), all, or ids of "
                f"test cases such as {', '.join(every[:3]) or '-'}"
            )
        if rule != "all" and not common:
            raise BadInput(
                f"--cases {word}: the runs have no scored test case in common to choose from; name a case"
            )
        chosen = every if rule == "all" else _by_rule(runs, common, rule, higher_is_better)
        count = len(every) if rule == "all" else int(number or 1)
        for place, case in enumerate(chosen[:count], start=1):
            title = _TITLES.get(rule, rule)
            title = f"{title} {place}" if number and title else title
            picked.setdefault(case, []).extend([title] if title else [])
    return [ChosenCase(case=case, rule=", ".join(rules)) for case, rules in picked.items()]


def _by_rule(
    runs: Sequence[Mapping[str, float]], common: Sequence[str], rule: str, higher_is_better: bool
) -> list[str]:
    """The cases, those that fit the rule best first; of equals the first by id."""
    if rule == "disagreement":
        return sorted(common, key=lambda case: (-_spread([run[case] for run in runs]), case))
    sign = -1 if higher_is_better else 1
    mean = {case: sign * sum(run[case] for run in runs) / len(runs) for case in common}
    if rule == "worst":
        return sorted(common, key=lambda case: (-mean[case], case))
    best_first = sorted(common, key=lambda case: (mean[case], case))
    if rule == "best":
        return best_first
    middle = (len(best_first) - 1) / 2
    places = sorted(range(len(best_first)), key=lambda place: abs(place - middle))
    return [best_first[place] for place in places]


def _spread(values: Sequence[float]) -> float:
    """Best minus worst; infinite where some are, none where all are."""
    low, high = min(values), max(values)
    return 0.0 if low == high else high - low
