"""Names the phases of the work, for a stopwatch that is there only while a run is profiled.

    with phase("augmentation"):
        ...

Anybody may name a phase, as anybody may log; nobody needs to be handed the stopwatch for it. Phases may
lie within each other: the time of an inner one is not the outer one's.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Listener = Callable[[str], AbstractContextManager]

# Every name in use; a listener sorts its table by this order.
PHASES = (
    "data",  # reading voxels, and moving them to where they are computed with
    "augmentation",
    "forward",  # of training, with the loss
    "backward",
    "optimiser",
    "inference",  # of evaluation
    "scoring",
    "saving",
)

_NOTHING = nullcontext()


def _off(name: str) -> AbstractContextManager:
    return _NOTHING


_listener: Listener = _off


def phase(name: str) -> AbstractContextManager:
    """What is done inside belongs to this phase; without a listener it costs a function call."""
    return _listener(name)


@contextmanager
def listened(listener: Listener) -> Iterator[None]:
    """Sends the phases to `listener` meanwhile."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
