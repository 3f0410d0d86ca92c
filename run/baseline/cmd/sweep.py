"""`cmd/sweep`: presses launchers x settings x options from one file, here or on a Slurm cluster."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mos.arguments import REQUIRED, option, parse
from mos.errors import BadInput, run_main

DESCRIPTION = (
    "Run launchers x settings from one YAML file: as a queue on this machine, or with --slurm as an array on a "
    "cluster. Keys: launchers, settings (heart-0..4 is five folds), options (for all: COUNT, BS, learning_rate, "
    "config, ...), variants (a list of options, each with a dir_postfix of its own), grid (lists of values per "
    "option; the folder says which, [learning_rate=3e-3]), seeds (folder [seed1]). A launcher or setting may have "
    "options of its own: `- unet-3d-none: {BS: 4}`. Everything is checked before anything starts. The same "
    "command again goes on: finished cells are skipped, stopped ones resume, failed ones are tried again. "
    "--status shows how far each is; --dry_run prints the cells with their commands. Logs: "
    ".checkpoint/sweep/<file name>/<setting>/<run>/log.txt."
)
PROGRAM = ".scripts/baseline/cmd/sweep"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which cells, and where they run."""

    file: str = option(REQUIRED, "YAML file of launchers and settings, such as sweep.yaml")
    status: bool = option(False, "show the state of every cell and stop")
    jobs: int = option(
        0, "cells at a time; 0: one per GPU, on a CPU 1, on Slurm as many as it lets run"
    )
    gpus: str = option(
        "auto", "GPUs to deal out: auto, none, or numbers such as 0,1 (not with --slurm)"
    )
    threads: int = option(
        0, "CPU threads per cell; 0: the cores divided by --jobs (with --slurm: --slurm_cpus)"
    )
    slurm: bool = option(
        False, "submit an array through submitit instead of running here", group="Slurm"
    )
    slurm_partition: str = option("", "partition; empty: the cluster's default")
    slurm_time: str = option(
        "24:00:00",
        "time limit per cell, as sbatch writes it: 90 (minutes), 4:00:00, 2-00:00:00. 90 seconds before it the "
        "launcher is stopped with whole epochs kept, and its cell is queued again",
    )
    slurm_gpus: int = option(0, "GPUs per cell")
    slurm_cpus: int = option(0, "CPUs per cell; 0: the cluster's default")
    slurm_mem: str = option("", "memory per cell, such as 16G; empty: the cluster's default")
    slurm_requeue: int = option(20, "how often a cell that reached --slurm_time is queued again")
    slurm_option: tuple[str, ...] = option(
        (), "other options of sbatch: account=lab qos=long exclusive"
    )

    def check(self) -> None:
        """Raises BadInput for options that do not go together."""
        from run.baseline.sweep.slurm import parse_minutes

        parse_minutes(self.slurm_time)
        if self.slurm and self.gpus != "auto":
            raise BadInput(f"--gpus {self.gpus}: Slurm deals GPUs out; give --slurm_gpus 1")
        if not self.slurm:
            defaults = Options(file="")
            for name in vars(defaults):
                if name.startswith("slurm_") and getattr(self, name) != getattr(defaults, name):
                    raise BadInput(f"--{name}: speaks to a cluster; add --slurm, or leave it out")
        for name in ("slurm_gpus", "slurm_cpus", "slurm_requeue", "jobs", "threads"):
            if getattr(self, name) < 0:
                raise BadInput(f"--{name} {getattr(self, name)}: needs 0 or more")


def main(argv: Sequence[str] | None = None) -> int:
    """Checks all cells, then shows or runs them.

    Returns:
        0 when every cell is finished (or shown, or submitted), 1 when some are not.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Here a dry run shows cells, not the options of this command.
    dry = "--dry_run" in words
    words = [word for word in words if word != "--dry_run"]
    options = parse(Options, words, prog=PROGRAM, description=DESCRIPTION).options

    from run.baseline.sweep.plan import make_plan, sweep_folder
    from run.baseline.sweep.queue import run_queue, share_machine
    from run.baseline.sweep.slurm import queued_jobs, submit
    from run.baseline.sweep.state import read_job, read_state, table

    file = Path(options.file)
    cells = make_plan(file, os.environ)
    if dry:
        for cell in cells:
            print(f"{cell.command}\n    -> {cell.run}")
        print(f"{len(cells)} cells")
        return 0
    jobs = queued_jobs(cells) if any(map(read_job, cells)) else None
    if options.status:
        print(table((cell, read_state(cell, jobs)) for cell in cells))
        return 0
    if options.slurm:
        return submit(cells, sweep_folder(file), options)
    queued = [job for job in map(read_job, cells) if job in (jobs or {})]
    if queued:
        ids = sorted({job.partition("_")[0] for job in queued})
        raise BadInput(
            f"{file}: {len(queued)} cells are in Slurm's queue (job {', '.join(ids)}); wait for them, or take "
            f"them out with scancel {' '.join(ids)}"
        )
    share = share_machine(options.jobs, options.gpus, options.threads, os.environ)
    return run_queue(cells, share)


if __name__ == "__main__":
    run_main(main)
