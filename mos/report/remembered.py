"""Results that are dataclasses, kept in the cache: to JSON's types and back without a loss."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from mos.report.cache import Cache

T = TypeVar("T")


def remembered(
    cache: Cache,
    what: str,
    inputs: Sequence[str | bytes | np.ndarray],
    make: Callable[[], T],
    kinds: Sequence[type],
    *,
    pack: str = "",
    stays: Sequence[str] = (),
) -> T:
    """`make()`, or what it gave for the same `inputs`: see `Cache.remember`.

    Args:
        kinds: the dataclasses in the result; besides these it holds tuples, lists, dictionaries,
            frozen sets, texts, numbers, None.
    """
    found: list[Any] = []

    def make_plain() -> Any:
        found.append(make())
        return to_plain(found[0])

    plain = cache.remember(what, inputs, make_plain, pack=pack, stays=stays)
    # What was just made is given as it is; a test holds that what is read later equals it.
    return found[0] if found else from_plain(plain, {kind.__name__: kind for kind in kinds})


def to_plain(value: Any) -> Any:
    """Containers become lists that begin with their kind: `["tuple", 1, 2]`."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value):
        name = type(value).__name__
        return [name, *(to_plain(getattr(value, field.name)) for field in fields(value))]
    if isinstance(value, dict):
        return ["dict", *([to_plain(key), to_plain(of)] for key, of in value.items())]
    if isinstance(value, frozenset):  # in an order that is the same in every process
        return ["frozenset", *map(to_plain, sorted(value))]
    for kind in (tuple, list):
        if isinstance(value, kind):
            return [kind.__name__, *map(to_plain, value)]
    raise TypeError(f"a {type(value).__name__} cannot be remembered")


def from_plain(value: Any, kinds: dict[str, type]) -> Any:
    """What `to_plain` was given; `kinds` are its dataclasses by name."""
    if type(value) is not list:
        return value
    # Asked for hundreds of thousands of numbers: those are passed through without a call.
    name = value[0]
    if name == "dict":
        return {from_plain(key, kinds): from_plain(of, kinds) for key, of in value[1:]}
    parts = [from_plain(part, kinds) if type(part) is list else part for part in value[1:]]
    if name in kinds:
        # As pickle does, past __init__, which takes three times as long: there are tens of thousands.
        one = object.__new__(kinds[name])
        one.__dict__.update(zip(_names(kinds[name]), parts, strict=True))
        return one
    return {"tuple": tuple, "list": list, "frozenset": frozenset}[name](parts)


@lru_cache(maxsize=64)
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
