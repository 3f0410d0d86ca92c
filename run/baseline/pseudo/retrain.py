"""Step `retrain`: the launcher command that trains the next teacher on what was corrected."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mos.errors import BadInput
from mos.folders import RUN_RECORD, project_folder
from run.baseline.pseudo.state import Work


def retrain(options: Any, work: Work, ask: Callable[[str], bool] | None = None) -> None:
    """Prints the command, and runs it where the user says so.

    Args:
        ask: asks whether to run it now; None: `--yes` runs it, else it is only printed.

    Raises:
        BadInput: nothing is merged yet, the teacher's run is gone, or training failed.
    """
    if not work.state["merges"]:
        raise BadInput("--step retrain: nothing is merged yet; --step merge first")
    environ, command = retrain_command(work)
    shown = " ".join([*(f"{k}={shlex.quote(v)}" for k, v in environ.items()), shlex.join(command)])
    print(f"trains the next teacher:\n\n  {shown}\n\nthen: --step generate")
    if options.yes or (ask is not None and ask("Train now?")):
        words = [str(project_folder() / command[0]), *command[1:]]
        done = subprocess.run(words, env=os.environ | environ)
        if done.returncode:
            raise BadInput(f"--step retrain: training ended with code {done.returncode}, see above")


def retrain_command(work: Work) -> tuple[dict[str, str], list[str]]:
    """Environment and words of the launcher: the best teacher's options, the merged set as one more aux.

    The run gets a name of its own, so that the teacher stays as it was.
    """
    teacher = max(work.state["rounds"][-1]["teachers"], key=lambda one: one["valid_dice"])
    run = Path(teacher["run"])
    try:
        record = json.loads((run / RUN_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{run / RUN_RECORD}: cannot be read ({error}); train with --aux_dataset "
            f"{work.state['merges'][-1]['dataset']} yourself"
        ) from error
    before: Mapping[str, str] = record["options"]
    merged = work.state["merges"][-1]["dataset"]
    asked = before.get("aux_dataset", record["aux"])
    sets = [] if asked in ("none", "") else asked.split(",")
    words = [launcher(record), "--config", str(run / RUN_RECORD)]
    if merged not in sets:
        words += ["--aux_dataset", ",".join([*sets, merged])]
        # One list of labels and one weight a set: the new set brings its own.
        if sets and before.get("aux_dataset_labels"):
            words += ["--aux_dataset_labels", before["aux_dataset_labels"] + ";"]
        if sets and before.get("aux_dataset_weight"):
            words += ["--aux_dataset_weight", before["aux_dataset_weight"] + ",1"]
    # What belonged to one start of the teacher's run is not asked of the new one.
    for name, neutral in (("increase_epoch", "none"), ("start_epoch", "0")):
        if before.get(name, neutral) != neutral:
            words += [f"--{name}", neutral]
    number = len(work.state["merges"])
    words += ["--dir_postfix", f"[pseudo{number}]", "--note", f"{merged}, merge {number}"]
    return {"SETTING": record["setting"]}, words


def launcher(record: Mapping[str, Any]) -> str:
    """The button of the run's network: its own, or the one without auxiliary data."""
    names = [f"{record['network']}-{record['dims']}d-{aux}" for aux in (record["aux"], "none")]
    paths = [f".scripts/baseline/{name}" for name in names]
    return next((path for path in paths if (project_folder() / path).exists()), paths[-1])
