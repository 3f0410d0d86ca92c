"""Where datasets, runs, epochs and summaries live on disk.

`MOS_CACHE` and `MOS_CHECKPOINT` move the two big folders, to a scratch disk for instance.
Folder names carry `,` `[` `]`; nothing here globs with them.
"""

import os
import re
from pathlib import Path

LATEST, BEST = "latest", "best"
RUN_RECORD, METRIC_LOG = "run.json", "metric.jsonl"
WEIGHTS, STATE = "weights.safetensors", "state.pt"
# In a run's logs/: profile.txt, profile.json, and traces by the name TensorBoard's profiler looks for.
PROFILE, TRACE_SUFFIX = "profile", ".pt.trace.json.gz"
_EPOCH = re.compile(r"epoch-(\d{4,})")


def project_folder() -> Path:
    """The folder of the clone: it holds `mos`, `run` and `.scripts`."""
    return Path(__file__).resolve().parent.parent


def cache_root() -> Path:
    return Path(os.environ.get("MOS_CACHE") or project_folder() / ".cache")


def checkpoint_root() -> Path:
    return Path(os.environ.get("MOS_CHECKPOINT") or project_folder() / ".checkpoint")


def dataset_folder(task: str) -> Path:
    return cache_root() / "dataset" / task


def dataset_path(task: str, name: str) -> Path:
    """`.cache/dataset/<task>/<task>-<name>.pt`"""
    return dataset_folder(task) / f"{task}-{name}.pt"


def dataset_named(task: str, name: str) -> Path:
    """The dataset file that a user means by a name such as `heart-0`, or by a path."""
    return Path(name) if name.endswith(".pt") or "/" in name else dataset_path(task, name)


def setting_folder(task: str, setting: str) -> Path:
    """`.checkpoint/<task>-<setting>/`: the runs on one main dataset."""
    return checkpoint_root() / f"{task}-{setting}"


def run_name(network: str, tag: str, dims: int, aux: str, postfix: str) -> str:
    """`<network>[<tag>]-<2d|3d>-<aux><postfix>`, such as `unet[s]-3d-acdc,mnms[pretrain]`."""
    return f"{network}{f'[{tag}]' if tag else ''}-{dims}d-{aux or 'none'}{postfix}"


def epoch_folder(run: Path, epoch: int) -> Path:
    return run / f"epoch-{epoch:04d}"


def epoch_number(folder: Path) -> int | None:
    """The number in an epoch folder's name; None for any other name."""
    match = _EPOCH.fullmatch(folder.name)
    return int(match[1]) if match else None


def epoch_folders(run: Path) -> dict[int, Path]:
    """The epoch folders of a run by number, ascending; links and other names are left out."""
    return {number: run / name for number, name in sorted(_epochs(run).items())}


def epoch_numbers(run: Path) -> list[int]:
    """The numbers of the epoch folders of a run, ascending."""
    return sorted(_epochs(run))


def _epochs(run: Path) -> dict[int, str]:
    # The report asks for tens of thousands: `scandir` tells folders without a look at each.
    with os.scandir(run) as entries:
        return {
            int(match[1]): entry.name
            for entry in entries
            if (match := _EPOCH.fullmatch(entry.name)) and entry.is_dir(follow_symlinks=False)
        }


def metric_file(epoch: Path, stage: str) -> Path:
    """`<epoch>/<stage>-metrics.pt`"""
    return epoch / f"{stage}-metrics.pt"


def summary_folder() -> Path:
    return checkpoint_root() / "summary"
