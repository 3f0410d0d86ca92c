"""Stored epochs and what to compute them with again: the same for every task."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mos.engine.checkpoint import stored_epochs
from mos.engine.device import Machine, choose_machine
from mos.errors import BadInput
from mos.folders import WEIGHTS, epoch_folder
from mos.options import TrainingOptions


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
