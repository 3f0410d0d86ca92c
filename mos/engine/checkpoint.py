"""The run folder: epochs saved whole or not at all, found again, linked and thinned out.

Weights stay for the latest, the best and every tenth epoch; the training state (optimiser) for the
latest and every tenth; metric files for all of them.
"""

import itertools
import os
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mos.engine.lock import LOCK_NAME
from mos.errors import BadInput
from mos.files import atomic_path, flush_folder, link
from mos.folders import BEST, LATEST, STATE, WEIGHTS, epoch_folder, epoch_folders, metric_file

KEEP_EVERY = 10


def stored_epochs(run: Path) -> list[int]:
    """Epochs whose weights are on disk, ascending."""
    return [n for n, folder in epoch_folders(run).items() if (folder / WEIGHTS).exists()]


def last_epoch(run: Path) -> int:
    """The newest epoch with weights and training state; 0 when there is none."""
    done = [n for n, folder in epoch_folders(run).items() if (folder / STATE).exists()]
    return max(set(done) & set(stored_epochs(run)), default=0)


def save_epoch(
    run: Path,
    epoch: int,
    network: nn.Module,
    state: Mapping[str, Any],
    train_table: Mapping[str, Any],
) -> None:
    """Writes `epoch-NNNN` under a temporary name, flushes it, renames it and points `latest` to it."""
    folder = epoch_folder(run, epoch)
    temporary = run / f".{folder.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        tensors = network.state_dict()
        names = sorted(set(first_names(network).values()))
        weights = {name: tensors[name].detach().cpu().contiguous() for name in names}
        with atomic_path(temporary / WEIGHTS) as path:
            save_file(weights, path)
        with atomic_path(temporary / STATE) as path:
            torch.save(dict(state), path)
        with atomic_path(metric_file(temporary, "train")) as path:
            torch.save(dict(train_table), path)
        os.rename(temporary, folder)
        flush_folder(run)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    point_latest(run, epoch)


class Saver:
    """Writes epochs in a thread, while the network is scored: saving then costs next to no time.

    Nothing is copied before: between two epochs of training neither weights nor moments change. So `wait`
    before the next one, and before anything is put into the epoch's folder. Leaving the context waits too,
    so that nothing is written any more when the run's lock is given back.
    """

    def __enter__(self) -> "Saver":
        self._pool = ThreadPoolExecutor(1, "save")
        self._saving: Future | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def begin(self, *what: Any) -> None:
        """Starts `save_epoch(*what)`."""
        self.wait()
        self._saving = self._pool.submit(save_epoch, *what)

    def wait(self) -> None:
        """Returns when the epoch is stored; at once where none is being written.

        Raises:
            BadInput: it could not be stored.
        """
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.result()


def load_weights(network: nn.Module, epoch: Path) -> None:
    """Loads an epoch's weights into `network`, every tensor or none.

    Raises:
        BadInput: the file is missing or broken, or it belongs to a differently built network.
    """
    path = epoch / WEIGHTS
    if not path.exists():
        raise BadInput(
            f"{path}: no weights stored for this epoch (only latest, best and every tenth stay)"
        )
    loaded = read_safetensors(path)
    aliases = first_names(network)
    tensors = network.state_dict()
    own = {name: tensors[name] for name in set(aliases.values())}
    differing = [n for n in own.keys() & loaded.keys() if own[n].shape != loaded[n].shape]
    wrong = sorted((own.keys() ^ loaded.keys()) | set(differing))
    if wrong:
        example = wrong[0]
        found = tuple(loaded[example].shape) if example in loaded else "nothing"
        needed = tuple(own[example].shape) if example in own else "nothing"
        raise BadInput(
            f"{path}: belongs to a differently built network: {len(wrong)} tensors differ, such as "
            f"{example!r} (file {found}, network {needed}). Give the model options of run.json, or "
            "start a new run with --dir_postfix '[name]'"
        )
    network.load_state_dict({name: loaded[first] for name, first in aliases.items()})


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, by name, on the CPU.

    Raises:
        BadInput: it is broken.
    """
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own kinds for each way to be broken
        raise BadInput(f"{path}: not a readable weights file ({error})") from error


def first_names(network: nn.Module) -> dict[str, str]:
    """Every name in a state dict to the first name of the same tensor: shared ones are stored once."""
    seen: dict[int, str] = {}
    tensors = network.state_dict(keep_vars=True)
    return {name: seen.setdefault(id(tensor), name) for name, tensor in tensors.items()}


def load_state(epoch: Path) -> dict[str, Any] | None:
    """The training state stored with an epoch; None where it was thinned out."""
    path = epoch / STATE
    if not path.exists():
        return None
    try:
        return torch.load(path, weights_only=True)
    except Exception as error:  # zip, pickle and torch each raise their own
        raise BadInput(
            f"{path}: not a readable training state ({error}); delete its folder to redo that epoch"
        ) from error


def save_table(path: Path, table: Mapping[str, Any]) -> None:
    """Writes a metric file."""
    with atomic_path(path) as temporary:
        torch.save(dict(table), temporary)


def load_table(path: Path) -> dict[str, Any]:
    """Reads a metric file.

    Raises:
        BadInput: it is broken.
    """
    try:
        return torch.load(path, weights_only=True)
    except Exception as error:  # zip, pickle and torch each raise their own
        raise BadInput(
            f"{path}: not a readable metric file ({str(error).splitlines()[0]}); delete it, and the same "
            "command scores that epoch again"
        ) from error


def point_latest(run: Path, epoch: int) -> None:
    """Points `latest` to an epoch."""
    link(epoch_folder(run, epoch).name, run / LATEST)


def point_best(run: Path, epoch: int) -> None:
    """Points `best` to an epoch."""
    link(epoch_folder(run, epoch).name, run / BEST)


def thin_out(run: Path) -> None:
    """Deletes weights and state that are kept no longer; metric files stay."""
    keep = {os.readlink(run / name) for name in (LATEST, BEST) if (run / name).is_symlink()}
    latest = os.readlink(run / LATEST)
    for number, folder in epoch_folders(run).items():
        tenth = number % KEEP_EVERY == 0
        if not tenth and folder.name != latest:
            (folder / STATE).unlink(missing_ok=True)
        if not tenth and folder.name not in keep:
            (folder / WEIGHTS).unlink(missing_ok=True)


def sweep(run: Path) -> None:
    """Removes the temporary files that a killed process left; call it only while holding the lock."""
    for folder in (run, *epoch_folders(run).values()):
        for path in folder.glob(".*"):
            # A process that is just asking for the lock still needs its own.
            if LOCK_NAME in path.name or "tmp" not in path.name:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def set_aside(run: Path, first: int) -> Path | None:
    """Moves epochs `first` and later into `redone-<time>/`, so that redoing them loses nothing.

    `latest` and `best` go too; the epoch that training goes on from gets them back. Ascending: if this
    is cut short, the newest epoch is still there and the next try moves the rest.

    Returns:
        The folder they went to; None when there was nothing to move.
    """
    numbers = [n for n in epoch_folders(run) if n >= first]
    if not numbers:
        return None
    grave = _grave(run)
    grave.mkdir()
    for name in (LATEST, BEST):
        (run / name).unlink(missing_ok=True)
    for number in numbers:
        folder = epoch_folder(run, number)
        os.rename(folder, grave / folder.name)
    flush_folder(run)
    return grave


def _grave(run: Path) -> Path:
    """A new folder's name, `redone-<time>`, numbered where one second saw several."""
    name = f"redone-{time.strftime('%Y%m%d-%H%M%S')}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(run / name for name in names if not (run / name).exists())
