"""Reads and prepares many cases at once, on several cores."""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

import numpy as np

from mos.errors import BadInput
from mos.io.geometry import Grid
from mos.io.labels import whole_labels
from mos.io.layouts import CaseFiles
from mos.io.prepare import Prepared, prepare
from mos.io.read import read_grid, read_image, read_label

# Below this many cases, starting processes takes longer than the work.
_FEW = 4


def run_all(
    work: Callable[[CaseFiles], Any], cases: Sequence[CaseFiles], jobs: int
) -> Iterator[tuple[int, Any]]:
    """Applies a picklable function to each case; yields (number, result) as they come.

    Args:
        jobs: processes; 0 = one for each core, 1 = none besides this one.

    Raises:
        BadInput: from `work`, with the case and its files named; or a process died.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(cases))
    named = functools.partial(_named, work)
    if jobs == 1 or len(cases) < _FEW:
        yield from ((number, named(case)) for number, case in enumerate(cases))
        return
    # Fresh processes: a forked one may inherit a lock held by a thread of torch or ITK.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_one_thread)
    try:
        futures = {pool.submit(named, case): number for number, case in enumerate(cases)}
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
            del future  # its result may be large and is the caller's now
    except BrokenProcessPool as error:
        raise BadInput(
            "a preparing process was killed, most often for lack of memory; try --jobs 1"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def scan_case(case: CaseFiles, *, allow_gaps: bool = False) -> tuple[Grid, int]:
    """The grid and the number of channels of a case, from headers."""
    found = [read_grid(file, allow_gaps=allow_gaps) for file in case.images]
    return found[0][0], sum(channels for _, channels in found)


def prepare_case(
    case: CaseFiles, *, preparation, allow_gaps: bool = False
) -> tuple[Prepared, dict[int, int]]:
    """Reads and prepares one case.

    Returns:
        The prepared case with a complete case record, and voxels of each source label id.
    """
    import SimpleITK as sitk

    images = [i for file in case.images for i in read_image(file, allow_gaps=allow_gaps)]
    label = read_label(case.label) if case.label else None
    prepared = prepare(images, label, preparation)
    counts = {}
    if label is not None:
        ids = np.bincount(whole_labels(sitk.GetArrayViewFromImage(label)).ravel())
        counts = {int(i): int(ids[i]) for i in np.flatnonzero(ids)}
    prepared.case.update(
        id=case.id,
        patient=case.patient,
        source=[str(file) for file in case.images],
        label_source=[str(case.label)] if case.label else [],
    )
    return prepared, counts


def _named(work: Callable[[CaseFiles], Any], case: CaseFiles) -> Any:
    try:
        return work(case)
    except BadInput as error:
        files = ", ".join(str(file) for file in (*case.images, case.label) if file)
        raise BadInput(f"case {case.id} ({files}): {error}") from error


def _one_thread() -> None:
    import SimpleITK as sitk

    # One process a core already; ITK's own threads on top would only get in each other's way.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
