"""What a reader of the tables must know beside the numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One warning. Empty names mean that it concerns all datasets, runs or settings."""

    kind: str  # a word or two, the badge: broken, unfinished, no validation, folds differ, ...
    dataset: str
    run: str
    setting: str
    text: str
