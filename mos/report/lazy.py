"""A list that is made when somebody looks into it: often all that is made from it is remembered."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Lazy(Sequence[T], Generic[T]):
    """What `make()` gives, made once."""

    def __init__(self, make: Callable[[], Sequence[T]]):
        self._make = make

    @cached_property
    def _made(self) -> Sequence[T]:
        return self._make()

    def __getitem__(self, index: Any) -> Any:
        return self._made[index]

    def __len__(self) -> int:
        return len(self._made)

    def __iter__(self) -> Iterator[T]:
        return iter(self._made)
