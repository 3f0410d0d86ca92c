"""Progress: a bar on a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
LINE_SECONDS = 60.0


def progress(items: Iterable[T], *, total: int, title: str, quiet: bool = False) -> Iterator[T]:
    """Yields `items`, showing how far they have come on standard error."""
    if quiet:
        yield from items
        return
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=title, leave=False, dynamic_ncols=True)
        return
    said = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - said > LINE_SECONDS:
            said = time.monotonic()
            print(f"{title}: {number}/{total}", file=sys.stderr, flush=True)
        yield item
