"""Work spread over processes that end when the one that started them does."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from mos.errors import BadInput

J = TypeVar("J")


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    work: Callable[[J], Any], jobs: Iterable[J], workers: int
) -> Iterator[tuple[J, Any]]:
    """Applies `work` to each job; yields (job, result) as they get ready, a BadInput as a result.

    Jobs are taken from the iterable only as workers get free, so it may open things as it goes.

    Args:
        work: picklable.
        workers: processes; 1: this one alone.

    Raises:
        BadInput: a process was killed.
    """
    if workers == 1:
        for job in jobs:
            yield job, _attempt(work, job)
        return
    # Fresh processes: a forked one may inherit a lock held by a thread of torch.
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_follow, initargs=(os.getpid(),)
    )
    waiting: dict[Future, J] = {}
    todo = iter(jobs)
    try:
        more = True
        while more or waiting:
            while more and len(waiting) < 2 * workers:
                job = next(todo, None)
                more = job is not None
                if more:
                    waiting[pool.submit(_attempt, work, job)] = job
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise BadInput(
            "a scoring process was killed, most often for lack of memory; what is written stays, and the same "
            "command goes on: try --jobs 1"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _attempt(work: Callable[[J], Any], job: J) -> Any:
    try:
        return work(job)
    except BadInput as error:
        return error


def _follow(parent: int) -> None:
    """Ends this process when its parent is gone: a killed one cannot tell it to."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
