"""Which stored runs of a task a command is about: those named, those of a setting, or all."""

from collections.abc import Sequence
from pathlib import Path

from mos.errors import BadInput
from mos.folders import RUN_RECORD, checkpoint_root


def named_runs(
    task: str, named: Sequence[str], settings: Sequence[str], *, example: str
) -> list[Path]:
    """Run folders, sorted by name.

    Args:
        example: the name of a run, and of the launcher that trains it.
        named: run folders, or folders that hold some, such as `.checkpoint/baseline-acdc-0`.
        settings: datasets such as `acdc-0`, or `acdc` for all its folds; with `named` empty too: all.

    Raises:
        BadInput: a name that leads to no run.
    """
    root = checkpoint_root()
    if not named and not settings:
        found = _below(root, task)
        if not found:
            raise BadInput(
                f"{root}: holds no run (looked for {task}-*/*/{RUN_RECORD}). Train one first, for instance with "
                f".scripts/{task}/{example}, or name runs with --run"
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
                f"'.checkpoint/{task}-phantom-0/{example}' (quote it for its brackets and commas)"
            )
        found += here
    for name in settings:
        here = [f for f in _below(root, task) if f.parent.name == f"{task}-{name}"]
        here = here or [f for f in _below(root, task) if _dataset(f, task) == name]
        if not here:
            there = sorted({f.parent.name.removeprefix(f"{task}-") for f in _below(root, task)})
            raise BadInput(
                f"--setting {name}: no run of it in {root}; there are runs of: {', '.join(there) or 'none'}"
            )
        found += here
    return sorted(set(found))


def _below(root: Path, task: str) -> list[Path]:
    settings = [f for f in _children(root) if f.name.startswith(f"{task}-")]
    return sorted(f for s in settings for f in _children(s) if (f / RUN_RECORD).exists())


def _dataset(run: Path, task: str) -> str:
    """`acdc` for a run of `acdc-0`."""
    setting = run.parent.name.removeprefix(f"{task}-")
    stem, _, fold = setting.rpartition("-")
    return stem if fold.isdecimal() and len(fold) == 1 else setting


def _children(folder: Path) -> list[Path]:
    return [f for f in folder.iterdir() if f.is_dir()] if folder.is_dir() else []
