"""Finds the name somebody probably meant: for flags, choices and environment variables."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, upper and lower case, `-` and `_` alike; None if none is."""
    by_key = {_key(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(_key(name), by_key, n=1, cutoff=0.6)
    return by_key[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """`; did you mean --batch_size?`, or the empty text where nothing is near."""
    found = nearest(name, known)
    return f"; did you mean {prefix}{found}?" if found else ""


def slips(name: str) -> set[str]:
    """All slips of the fingers in `name`: two neighbours swapped, a letter missing, one doubled."""
    places = range(len(name))
    swapped = {name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in places[:-1]}
    missing = {name[:i] + name[i + 1 :] for i in places}
    doubled = {name[: i + 1] + name[i:] for i in places}
    return (swapped | missing | doubled) - {name}


def _key(name: str) -> str:
    return name.lower().replace("-", "_")
