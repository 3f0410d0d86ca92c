"""Which stored runs a command is about: those named, those of a setting, or all."""

from collections.abc import Sequence
from pathlib import Path

from mos.errors import BadInput
from mos.folders import RUN_RECORD, checkpoint_root
from run.baseline.model_arguments import TASK


def find_runs(named: Sequence[str], settings: Sequence[str]) -> list[Path]:
    """Run folders, sorted by name.

    Args:
        named: run folders, or folders that hold some, such as `.checkpoint/baseline-acdc-0`.
        settings: datasets such as `acdc-0`, or `acdc` for all its folds; with `named` empty too: all.

    Raises:
        BadInput: a name that leads to no run.
    """
    root = checkpoint_root()
    if not named and not settings:
        found = _below(root)
        if not found:
            raise BadInput(
                f"{root}: holds no run (looked for {TASK}-*/*/{RUN_RECORD}). Train one first, for instance with "
                f".scripts/{TASK}/unet-2d-none, or name runs with --run"
            )
        return found
    found = []
    for name in named:
        folder = Path(name)
        here = [folder] if (folder / RUN_RECORD).exists() else []
        here = here or ([f for f in _children(folder) if (f / RUN_RECORD).exists()])
        if not here:
            raise BadInput(
                f"--run {name}: no {RUN_RECORD} there; give a run's folder, such as "
                f"'.checkpoint/{TASK}-phantom-0/unet-2d-none' (quote it for its brackets and commas)"
            )
        found += here
    for name in settings:
        here = [f for f in _below(root) if f.parent.name == f"{TASK}-{name}"]
        here = here or [f for f in _below(root) if _dataset(f) == name]
        if not here:
            there = sorted({f.parent.name.removeprefix(f"{TASK}-") for f in _below(root)})
            raise BadInput(
                f"--setting {name}: no run of it in {root}; there are runs of: {', '.join(there) or 'none'}"
            )
        found += here
    return sorted(set(found))


def _below(root: Path) -> list[Path]:
    settings = [f for f in _children(root) if f.name.startswith(f"{TASK}-")]
    return sorted(f for s in settings for f in _children(s) if (f / RUN_RECORD).exists())


def _dataset(run: Path) -> str:
    """`acdc` for a run of `acdc-0`."""
    setting = run.parent.name.removeprefix(f"{TASK}-")
    stem, _, fold = setting.rpartition("-")
    return stem if fold.isdecimal() and len(fold) == 1 else setting


def _children(folder: Path) -> list[Path]:
    return [f for f in folder.iterdir() if f.is_dir()] if folder.is_dir() else []
