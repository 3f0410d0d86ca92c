"""Stored runs that are asked together: what a command must know of each, and that their answers have a mean."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mos.errors import BadInput
from mos.folders import RUN_RECORD


class Stored(Protocol):
    """A run as its folder tells it."""

    folder: Path
    record: Mapping[str, Any]


class Asked(Protocol):
    """One run at one epoch."""

    stored: Stored
    weights_sha256: str


M = TypeVar("M", bound=Asked)


def need_preparation(run: Path, record: Mapping[str, Any], task: str) -> None:
    """Raises BadInput where a new image could not be prepared as those that were trained on."""
    if not record.get("preparation"):
        raise BadInput(
            f"{run / RUN_RECORD}: does not say how its dataset was prepared, so a new image could not be "
            f"prepared the same way. Build the dataset with .scripts/{task}/cmd/build and train on that"
        )


def together(
    members: Sequence[M],
    facts: Callable[[M], Mapping[str, Any]],
    unlike: Mapping[str, str],
    of_one: str,
) -> list[M]:
    """Runs whose mean is asked for, in an order of their own: the one they were named in changes nothing.

    Args:
        facts: what members must agree in.
        unlike: in words, by the key of a fact: runs "prepare images differently" where it differs.
        of_one: "dataset", what runs must be of to be averaged.

    Raises:
        BadInput: one named twice; two that cannot be averaged.
    """
    seen: dict[str, M] = {}
    for one in members:
        twin = seen.setdefault(one.weights_sha256, one)
        if twin is not one:
            raise BadInput(
                f"--run: {twin.stored.folder} and {one.stored.folder} have the same weights, which would "
                "count twice; name each run once"
            )
        first, own = facts(members[0]), facts(one)
        for key, words in unlike.items():
            if first[key] != own[key]:
                raise BadInput(
                    f"--run: {members[0].stored.folder} and {one.stored.folder} {words} ({key} {first[key]} and "
                    f"{own[key]}), so they have no mean; name runs of one {of_one}, such as its folds"
                )
    return sorted(members, key=lambda one: one.weights_sha256)
