"""Benchmarks against other packages: what they have in common, the race and the row of the table.

    python -m tests.benchmark.<name>            as long as it takes for a steady number
    python -m tests.benchmark.<name> --quick    seconds

Each prints `row`s on stdout, and what else it has to say on stderr; `.scripts/benchmark` collects the rows of
all. The contestants take turns, so that whatever else the machine does slows all of them alike.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

HEADER = (
    "| what | ours | peer | ratio | reach | reached |",
    "|---|---|---|---|---|---|",
)


def is_quick(doc: str | None) -> bool:
    """Reads the command line of a benchmark: `--quick` is its one option."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    return parser.parse_args().quick


def race(
    contestants: Mapping[str, Callable[[], Any]],
    seconds: float,
    clock: Callable[[], float] = time.process_time,
    warm: bool = False,
) -> dict[str, list[float]]:
    """Runs the contestants in turn until the time is up, after turns that do not count.

    A turn of a quick contestant is as many runs as take 20 ms, the mean of which counts: as when many
    cases are scored one after the other, not with caches that the one before has filled.

    Args:
        seconds: of wall clock for all rounds; there are at least two rounds, and at most 200.
        clock: seconds; by default the processor time of this process, all threads together, which a
            busy neighbour changes least.
        warm: all of them have run before.

    Returns:
        Seconds of each turn by contestant, in rounds.
    """
    runs = {}
    for name, run in contestants.items():
        if not warm:
            run()  # what is loaded and built on first use
        start = clock()
        run()
        runs[name] = max(1, min(100, int(0.02 / max(clock() - start, 1e-5))))
    times: dict[str, list[float]] = {name: [] for name in contestants}
    end = time.monotonic() + seconds
    for number in range(200):
        if number > 1 and time.monotonic() > end:
            break
        for name, run in contestants.items():
            start = clock()
            for _ in range(runs[name]):
                run()
            times[name].append((clock() - start) / runs[name])
    return times


def row(
    what: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, reach: float
) -> float:
    """Prints a row: medians in milliseconds, their ratio beside that of the minima, and the reach.

    Args:
        ours: seconds per turn.
        peer: seconds per turn.
        reach: how many times faster than the peer we want to be.

    Returns:
        The ratio of the medians, above 1 where ours is the faster one.
    """
    middle, least = statistics.median, min
    ratio, best = middle(peer) / middle(ours), least(peer) / least(ours)
    cells = (
        what,
        f"{1e3 * middle(ours):.3g} ms",
        f"{peer_name} {1e3 * middle(peer):.4g} ms",
        f"{ratio:.3g}x (best rounds {best:.3g}x)",
        f">= {reach:g}x",
        "yes" if ratio >= reach else "no",
    )
    print(f"| {' | '.join(cells)} |", flush=True)
    return ratio


def plain_row(what: str, ours: str, peer: str, ratio: str, reach: str, reached: bool | str) -> None:
    """Prints a row of anything else than two times; `reached` may say in words what bounds it."""
    told = {True: "yes", False: "no"}.get(reached, reached)
    print(f"| {' | '.join((what, ours, peer, ratio, reach, told))} |", flush=True)


def say(text: str) -> None:
    """A remark that is no row."""
    print(text, file=sys.stderr, flush=True)
