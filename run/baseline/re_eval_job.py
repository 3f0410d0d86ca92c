"""Scoring one stored epoch again, in a process of its own."""

import functools
from dataclasses import dataclass
from pathlib import Path

from mos.data.bundle import Bundle, open_bundle
from mos.engine.device import choose_machine
from mos.engine.distributed import Processes
from mos.engine.evaluate import evaluate
from mos.folders import epoch_folder
from run.baseline import metric_files
from run.baseline.dataset import volume_dataset
from run.baseline.stored import load_network, open_stored, scoring_task


@dataclass(frozen=True)
class Job:
    """An epoch to score with its weights; everything a fresh process needs to know."""

    run: Path
    epoch: int
    dataset: Path
    stages: tuple[str, ...]
    tolerance: str
    device: str
    precision: str
    threads: int


@functools.lru_cache(maxsize=2)  # a process scores the epochs of few runs
def _dataset(path: Path) -> Bundle:
    return open_bundle(path)  # its content was checked by the process that hands out the jobs


def score_epoch(job: Job) -> dict[str, metric_files.Table]:
    """Scores the asked splits of an epoch; runs in a process of its own, writes nothing."""
    stored = open_stored(job.run)
    machine = choose_machine(
        job.device, job.precision, job.threads, deterministic=stored.options.deterministic
    )
    bundle = _dataset(job.dataset)
    place = {
        "asked_spacing": stored.options.dataset_spacing,
        "device": machine.device,
        "voxels": "cpu",
    }
    datasets = {stage: volume_dataset(bundle, f"{stage}3d", **place) for stage in job.stages}
    network = load_network(stored, epoch_folder(job.run, job.epoch), machine)
    task = scoring_task(stored, network, datasets, nsd_tolerance=job.tolerance)
    return {s: evaluate(task, s, machine, Processes(), quiet=True) for s in job.stages}
