"""Stored epochs and what to compute them with again: the same for every task."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mos.arguments import parse
from mos.engine.checkpoint import stored_epochs
from mos.engine.device import Machine, choose_machine
from mos.engine.record import read_record
from mos.errors import BadInput
from mos.folders import RUN_RECORD, WEIGHTS, dataset_path, epoch_folder
from mos.options import TrainingOptions


class Bundle(Protocol):
    """An opened dataset file, of whichever task."""

    path: Path


B = TypeVar("B", bound=Bundle)
O = TypeVar("O", bound=TrainingOptions)


def stored_epoch(run: Path, wanted: str) -> Path:
    """The folder of an epoch with weights: `best`, `latest` or a number.

    Raises:
        BadInput: no weights of it are stored; names the epochs that have some.
    """
    folder = epoch_folder(run, int(wanted)) if wanted.isdecimal() else (run / wanted).resolve()
    if not (folder / WEIGHTS).exists():
        stored = ", ".join(map(str, stored_epochs(run))) or "none"
        raise BadInput(
            f"--epoch {wanted}: {run} stores no weights of it; epochs with weights: {stored}"
        )
    return folder


def machine_for(options: Any, trained: TrainingOptions, record: Mapping[str, Any]) -> Machine:
    """The device and precision to predict with.

    `--precision auto` is the precision the run was trained in. Where this device does not have it
    (fp16 on a CPU, bf16 without instructions for it), fp32 takes its place, and a note says so.

    Args:
        options: with `device`, `precision` and `threads`, as commands have them.
        trained, record: of the stored run.

    Raises:
        BadInput: a device or precision asked for by name that this machine does not have.
    """
    asked = (options.device, options.precision, options.threads, trained.deterministic)
    machine = choose_machine(*asked)
    wanted = (record.get("machine") or {}).get("precision") or trained.precision
    if options.precision != "auto" or wanted in ("auto", machine.precision):
        return machine
    # Asked for `auto`, choose_machine answers bf16 exactly where the device computes it by itself.
    if wanted == "bf16" or (wanted == "fp16" and machine.device.type == "cpu"):
        print(
            f"note: the run was trained in {wanted}, which this {machine.device.type} does not compute by "
            "itself; predicting in fp32"
        )
        wanted = "fp32"
    return dataclasses.replace(machine, precision=wanted)


def read_stored(
    run: Path, options_type: type[O], task: str, needed: Sequence[str], example: str
) -> tuple[dict[str, Any], O]:
    """The record of a stored run, and the options it was trained with.

    Args:
        needed: what a record of this task must have besides `options`.
        example: the name of a run, for messages.

    Raises:
        BadInput: there is no record, or it lacks something.
    """
    path = run / RUN_RECORD
    if not path.is_file():
        raise BadInput(
            f"{run}: no {RUN_RECORD} there; give a run's folder, such as '.checkpoint/{task}-phantom-0/{example}' "
            "(quote it for its brackets and commas)"
        )
    record = read_record(run)
    lacking = [key for key in ("options", *needed) if key not in record]
    if lacking:
        raise BadInput(f"{path}: lacks {', '.join(lacking)}; it is no record of a {task} run")
    words = ["--config", str(path)]
    return record, parse(options_type, words, prog=RUN_RECORD, description="").options


def dataset_file(task: str, record: Mapping[str, Any], ensure: Callable[[str], object]) -> Path:
    """The main dataset file of a run: where datasets live now, or else where the run found it.

    Args:
        record: of the stored run.
        ensure: makes the set of a name, where it is a built-in one and not there yet.
    """
    about = record.get("dataset") or {}
    name = str(about.get("name") or record.get("setting") or "")
    ensure(name)
    path, recorded = dataset_path(task, name), Path(about.get("path") or "")
    return recorded if not path.exists() and recorded.is_file() else path


def refuse_changed(
    bundle: B, run: Path, record: Mapping[str, Any], content_hash: Callable[[B], str]
) -> None:
    """Refuses a dataset file that holds something else than when the run was trained on it.

    Raises:
        BadInput: its content hash is not the one in the run's record.
    """
    expected = (record.get("dataset") or {}).get("sha256")
    if expected and _hash_of(bundle, content_hash) != expected:
        raise BadInput(
            f"{bundle.path}: has changed since {run} was trained on it (another content hash than in "
            "run.json), so new scores could not stand beside the old ones. Put the old file back, or build "
            "it again as it was"
        )


def _hash_of(bundle: B, content_hash: Callable[[B], str]) -> str:
    """The content hash; runs on one file read it once."""
    stat = bundle.path.stat()
    key = (bundle.path, stat.st_mtime_ns, stat.st_size)
    if key not in _HASHES:
        _HASHES[key] = content_hash(bundle)
    return _HASHES[key]


_HASHES: dict[tuple[Path, int, int], str] = {}
