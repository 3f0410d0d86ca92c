"""Makes sure that every cell of a sweep can run, and says its command and its run folder."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mos.arguments import parse
from mos.errors import BadInput
from mos.folders import RUN_RECORD, checkpoint_root, dataset_folder, dataset_path, project_folder
from mos.folders import setting_folder
from mos.near_miss import did_you_mean
from mos.option_values import Option, options_of
from run.baseline.model_arguments import TASK, ModelArguments
from run.baseline.phantom_sets import PHANTOM_SETS
from run.baseline.sweep.grid import Asked, Value, read_grid

# A sweep asks for COUNT epochs in all; these count from what is done, so a repeat would do more.
_NOT_HERE = ("start_epoch", "increase_epoch")
# May differ between what a run was trained with and what the file says now.
_FREE = ("epoch_count", "note", "log_every_n_epochs", "device", "threads", "dataset_device")
_LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a sweep."""

    launcher: str  # unet-2d-none
    setting: str
    run: Path  # where its results go
    folder: Path  # the sweep's own notes on it: log.txt, cell.json
    epochs: int  # the run should reach these in all
    environ: dict[str, str]  # SETTING, COUNT, BS as far as they are set
    flags: tuple[str, ...]
    needs: tuple[Path, ...]  # dataset files; those of phantoms are made on first use

    @property
    def name(self) -> str:
        """`phantom-0/unet-2d-none[lr3]`"""
        return f"{self.setting}/{self.run.name}"

    @property
    def words(self) -> list[str]:
        """The launcher's path and flags."""
        return [str(launcher_path(self.launcher)), *self.flags]

    @property
    def command(self) -> str:
        """What a user would type in the clone's folder."""
        sets = [f"{name}={shlex.quote(value)}" for name, value in self.environ.items()]
        return " ".join([*sets, f".scripts/{TASK}/{self.launcher}", shlex.join(self.flags)]).strip()


def launcher_path(name: str) -> Path:
    return project_folder() / ".scripts" / TASK / name


def sweep_folder(file: Path) -> Path:
    """`.checkpoint/sweep/<file name>/`, absolute: compute nodes stand elsewhere."""
    return checkpoint_root().absolute() / "sweep" / file.stem


def make_plan(file: Path, environ: Mapping[str, str]) -> list[Cell]:
    """All cells of a file, in the order they are to run.

    Raises:
        BadInput: anything that would make a cell fail, or write where another one writes.
    """
    cells: dict[Path, Cell] = {}
    launchers: dict[str, dict[str, list[str]]] = {}
    ours = {name: text for name, text in environ.items() if not name.startswith("_MOS_")}
    for asked in read_grid(file):
        if asked.launcher not in launchers:
            launchers[asked.launcher] = _ask_launcher(file, asked.launcher, ours)
        cell = _make_cell(file, asked, launchers[asked.launcher], ours)
        if cell.run in cells:
            raise BadInput(
                f"{file}: two cells would write to the same run folder {cell.run}:\n"
                f"  {cells[cell.run].command}\n  {cell.command}\n"
                "Give what differs a dir_postfix of its own, such as dir_postfix: '[lr3]' (or list its "
                "values under grid, which does so), or take one of them out"
            )
        cells[cell.run] = cell
    return list(cells.values())


def _ask_launcher(file: Path, name: str, environ: Mapping[str, str]) -> dict[str, list[str]]:
    """What a launcher sets by itself, from its own dry run: `defaults` and `flags`, as name=value."""
    folder = launcher_path("")
    there = sorted(f.name for f in folder.iterdir() if f.is_file() and os.access(f, os.X_OK))
    if name not in there:
        near = did_you_mean(name, there) or f"; there are {', '.join(there)}"
        raise BadInput(f"{file}: launchers: {name}: no launcher in {folder}{near}")
    by_env = {option.env for option in options_of(ModelArguments).values()}
    quiet = {n: text for n, text in environ.items() if n not in by_env and n != "MOS_PROCESSES"}
    quiet |= {"MOS_PYTHON": environ.get("MOS_PYTHON") or sys.executable}
    asked = subprocess.run(
        [launcher_path(name), "--dry_run"],
        env=quiet,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if asked.returncode:
        raise BadInput(f"{file}: launchers: {name}: {asked.stderr.strip().removeprefix('error: ')}")
    said: dict[str, list[str]] = {"defaults": [], "flags": []}
    for line in asked.stdout.splitlines()[1:]:
        match = re.fullmatch(r"(\S+)\s+(.*?)\s{2,}(launcher default|launcher|file .*)\s*", line)
        if match:
            value = "" if match[2] == "''" else match[2]
            said["flags" if match[3] == "launcher" else "defaults"].append(f"{match[1]}={value}")
    return said


def _make_cell(
    file: Path, asked: Asked, launcher: Mapping[str, list[str]], environ: Mapping[str, str]
) -> Cell:
    options = options_of(ModelArguments)
    where = f"{file}: {asked.launcher}, {asked.setting}"
    sets, flags = _as_typed(where, asked, options)
    defaults = [entry.partition("=") for entry in launcher["defaults"]]
    theirs = {options[name].env: value for name, _, value in defaults}
    given = dict(environ) | sets
    theirs = {name: value for name, value in theirs.items() if not given.get(name)}
    in_launcher = [f"--{entry}" for entry in launcher["flags"]]
    count = {"_MOS_TYPED": str(len(flags)), "_MOS_DEFAULTS": " ".join(theirs)}
    try:
        resolved = parse(
            ModelArguments,
            [*in_launcher, *flags],
            prog=asked.launcher,
            description="",
            environ=given | theirs | count,
        )
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
    found = resolved.options
    run = setting_folder(TASK, found.train_dataset).absolute() / found.run_name
    if len(os.fsencode(run.name)) > _LONGEST_NAME:
        raise BadInput(f"{where}: the run's name is too long for a folder: {run.name}")
    typed = [flag for flag in flags if flag.startswith("--")]
    named = {flag[2:].partition("=")[0] for flag in typed} | {
        name for name, option in options.items() if option.env in sets
    }
    _check_stored(where, run, {n: t for n, t in resolved.text.items() if n in named})
    return Cell(
        launcher=asked.launcher,
        setting=found.train_dataset,
        run=run,
        folder=sweep_folder(file) / found.train_dataset / run.name,
        epochs=found.epoch_count,
        environ=sets,
        flags=tuple(flags),
        needs=_datasets(where, found),
    )


def _as_typed(
    where: str, asked: Asked, options: Mapping[str, Option]
) -> tuple[dict[str, str], list[str]]:
    """The options as a user would type them: SETTING, COUNT and BS before the launcher, flags behind."""
    by_env = {option.env: name for name, option in options.items()}
    values: dict[str, Value] = {}
    for key, value in asked.options.items():
        name = by_env.get(key, key)
        if name == "config":
            values[name] = value
            continue
        if name not in options:
            near = did_you_mean(key, [*options, *(env for env in by_env if "MOS_" not in env)])
            raise BadInput(f"{where}: unknown option {key!r}{near} (all: the launcher's --help)")
        if name in _NOT_HERE:
            raise BadInput(f"{where}: {key}: a sweep says how far with COUNT, the epochs in all")
        if name == "train_dataset":
            raise BadInput(f"{where}: {key}: datasets are listed under settings")
        # The same option under its two names, or in two levels: the later one.
        values.pop(name, None)
        values[name] = value
    sets = {options["train_dataset"].env: asked.setting}
    flags: list[str] = []
    for name, value in values.items():
        words = value if isinstance(value, list) else [value]
        if name == "config":
            flags += [word for one in words for word in ("--config", str(Path(one).absolute()))]
        elif not options[name].env.startswith("MOS_") and ",".join(words):
            sets[options[name].env] = ",".join(words)
        elif options[name].takes_many:
            flags += [f"--{name}={word}" for word in words]
        else:
            flags += _flag(name, ",".join(words))
    if asked.postfix:
        flags += _flag("dir_postfix", asked.postfix)
    return sets, flags


def _flag(name: str, value: str) -> list[str]:
    return [f"--{name}={value}"] if value.startswith("--") else [f"--{name}", value]


def _datasets(where: str, options: ModelArguments) -> tuple[Path, ...]:
    """The dataset files of a cell; all exist, or are phantoms."""
    for name in (options.train_dataset, *options.aux_names):
        main = name == options.train_dataset
        if name in PHANTOM_SETS:
            kind = PHANTOM_SETS[name].kind
            if main and kind != "main":
                raise BadInput(
                    f"{where}: {name} is the {kind} set of the phantom and has no validation; "
                    "settings need a main set such as phantom-0"
                )
        elif dataset_path(TASK, name).is_file():
            continue
        elif name == "phantom" or name.startswith("phantom-"):
            near = did_you_mean(name, PHANTOM_SETS) or f"; there are {', '.join(PHANTOM_SETS)}"
            raise BadInput(f"{where}: dataset {name}: no such phantom{near}")
        else:
            files = dataset_folder(TASK).glob(f"{TASK}-*.pt")
            there = [f.stem.removeprefix(f"{TASK}-") for f in files]
            near = did_you_mean(name, [*there, *PHANTOM_SETS])
            raise BadInput(
                f"{where}: dataset {name}: there is no {dataset_path(TASK, name)}{near}; "
                f"make it with .scripts/{TASK}/cmd/build"
            )
    return tuple(dataset_path(TASK, name) for name in (options.train_dataset, *options.aux_names))


def _check_stored(where: str, run: Path, asked: Mapping[str, str]) -> None:
    """Refuses to call a run the cell's that was trained with other options than the file now says."""
    try:
        record = json.loads((run / RUN_RECORD).read_text(encoding="utf-8"))
        stored = record["options"]
        changed = [
            f"{name} {stored[name] or 'empty'}, the file says {text or 'empty'}"
            for name, text in asked.items()
            if name not in _FREE and name in stored and stored[name] != text
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # a new run, or one whose record the launcher will speak about
    if changed:
        raise BadInput(
            f"{where}: the run {run} was trained with {'; '.join(changed)}. "
            "Give the new one a dir_postfix of its own, or put the old value back"
        )
