"""The runs a command works on: each is locked until its last job is done."""

from pathlib import Path

from mos.engine.lock import RunLock


class LockedRuns:
    """Holds the locks of runs; those still held are given back when the `with` block ends."""

    def __init__(self) -> None:
        self._held: dict[Path, tuple[RunLock, int]] = {}

    def __enter__(self) -> "LockedRuns":
        return self

    def __exit__(self, *_: object) -> None:
        for run in list(self._held):
            self._give_back(run)

    def take(self, run: Path) -> None:
        """Locks a run.

        Raises:
            BadInput: a living process holds it, most likely a training.
        """
        lock = RunLock(run)
        lock.__enter__()
        self._held[run] = (lock, 0)

    def expect(self, run: Path, jobs: int) -> None:
        """Says how many jobs a run has; without any it is given back at once."""
        self._held[run] = (self._held[run][0], jobs)
        if not jobs:
            self._give_back(run)

    def is_last(self, run: Path) -> bool:
        """Whether the job that is being finished is the last of its run."""
        return self._held[run][1] == 1

    def finish(self, run: Path) -> None:
        """One job of a run is done; with the last one the run is given back."""
        self.expect(run, self._held[run][1] - 1)

    def _give_back(self, run: Path) -> None:
        lock, _ = self._held.pop(run)
        lock.__exit__()
