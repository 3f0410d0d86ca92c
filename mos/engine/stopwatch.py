"""How long each phase took; what no phase claims is `other`, so that the parts are the whole."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OTHER = "other"


class Stopwatch:
    """Wall-clock seconds of phases that may lie within each other, each without its inner ones.

    Args:
        synchronise: waits for the GPU, so that its work counts to the phase that asked for it.
    """

    def __init__(
        self,
        synchronise: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.seconds: dict[str, float] = {}
        self._synchronise = synchronise
        self._clock = clock
        self._open = [OTHER]
        self._since = clock()

    @property
    def inside(self) -> bool:
        """Whether a phase is being timed now."""
        return len(self._open) > 1

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times what is done inside."""
        self.read()
        self._open.append(name)
        try:
            yield
        finally:
            self.read()
            self._open.pop()

    def read(self) -> dict[str, float]:
        """The seconds up to now, by phase; they sum to the time since the watch was made."""
        self._synchronise()
        now = self._clock()
        name = self._open[-1]
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now
        return self.seconds
