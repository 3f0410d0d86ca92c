"""Runs a step of pseudo-labelling, or on a terminal leads through them."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mos.errors import BadInput
from mos.io.read import read_grid
from run.baseline.pseudo.generate import generate
from run.baseline.pseudo.hand_out import hand_out
from run.baseline.pseudo.merge import merge
from run.baseline.pseudo.retrain import retrain
from run.baseline.pseudo.source import open_dataset_source
from run.baseline.pseudo.state import (
    Work,
    held,
    known_works,
    new_state,
    pseudo_root,
    read_work,
)
from run.baseline.pseudo.status import describe, next_step
from run.baseline.pseudo.take_back import take_back
from run.baseline.pseudo.teacher import settings_with_runs

STEPS = ("generate", "hand_out", "take_back", "merge", "retrain", "status")
Ask = Callable[[str], str]
_SAYS = {
    "generate": "the teacher predicts what is not corrected",
    "hand_out": "a folder of cases for a person to correct",
    "take_back": "corrected files are checked and accepted",
    "merge": "corrected cases become an auxiliary dataset",
    "retrain": "trains the next teacher on it",
    "status": "shows how far the work is",
}


def run_steps(options: Any, ask: Ask | None) -> None:
    """Runs the step that was asked for; without one, asks for each until the user has enough.

    Args:
        options: `run.baseline.cmd.pseudo_gen.Options`.
        ask: puts a question to the user; None where nobody sits there.

    Raises:
        BadInput: what the step refuses; an answer that is missing where nobody can be asked.
    """
    folder = _folder(options, ask)
    if not options.step and ask is None:
        work = read_work(folder)
        told = f" {next_step(work)} is next." if work else ""
        raise BadInput(
            f"--step is missing, and nobody can be asked: standard input is no terminal.{told} Give --step "
            f"{', '.join(STEPS[:-1])} or {STEPS[-1]}"
        )
    with held(folder):
        work = _open(options, folder)
        if options.step:
            _run(options.step, options, work, ask)
        else:
            _lead(options, work, ask)


def _lead(options: Any, work: Work, ask: Ask) -> None:
    """One step after the other, as the user says; a refusal is shown and costs nothing."""
    words = dict(zip("ghtmrs", STEPS)) | {step: step for step in STEPS}
    while True:
        print(*describe(work), sep="\n")
        wanted = next_step(work)
        print(*(f"  {step[0]}  {step:10} {_SAYS[step]}" for step in STEPS), "  q  quit", sep="\n")
        answer = ask(f"What next? [{wanted}] ").strip().lower() or wanted
        if answer in ("q", "quit"):
            return
        if answer not in words:
            print(f"{answer!r} is none of these")
            continue
        try:
            _run(words[answer], options, work, ask)
        except BadInput as error:
            print(f"not done: {error}")
        print()


def _run(step: str, options: Any, work: Work, ask: Ask | None) -> None:
    agree = None if ask is None else lambda text: _yes(ask, text)
    if options.yes:
        agree = lambda text: True  # noqa: E731
    if step == "generate":
        generate(_with_teachers(options, work, ask), work)
    elif step == "status":
        print(*describe(work), sep="\n")
        return
    elif not work.round:
        raise BadInput(f"--step {step}: nothing is predicted yet; --step generate first")
    elif step == "hand_out":
        hand_out(options, work)
    elif step == "take_back":
        # --yes answers what is safe; that nobody needs to correct a file must be said by itself.
        take_back(options, work, originals(work), None if options.yes else agree)
    elif step == "merge":
        merge(options, work)
    else:
        retrain(options, work, agree)
    if options.step:
        print(f"next: --step {next_step(work)}")


def _with_teachers(options: Any, work: Work, ask: Ask | None) -> Any:
    """The options with a setting to find the teacher in: that of the round before, or as answered."""
    if options.run or options.setting:
        return options
    if work.round:
        names = [teacher["name"] for teacher in work.state["rounds"][-1]["teachers"]]
        settings = tuple(dict.fromkeys(name.partition("/")[0] for name in names))
        return dataclasses.replace(options, setting=settings)
    known = settings_with_runs()
    if ask is None or len(known) < 2:
        return options
    answer = ask(f"The runs on which dataset may predict? ({', '.join(known)}) [{known[0]}] ")
    return dataclasses.replace(options, setting=(answer.strip() or known[0],))


def originals(work: Work) -> Callable[[str], np.ndarray]:
    """Labels (d, h, w) of a case that a person drew before, on the grid it is shown on."""
    about = work.state["source"]
    if about["kind"] == "dataset":
        source = open_dataset_source(
            about["name"], about["key"], about.get("spacing"), about["sha256"]
        )
        return source.original
    return lambda case: np.zeros(read_grid(work.path("images", case))[0].shape, np.uint8)


def _yes(ask: Ask, text: str) -> bool:
    return ask(f"{text} [y/N] ").strip().lower() in ("y", "yes")


def _folder(options: Any, ask: Ask | None) -> Path:
    """Where the work lies: as named, after the dataset, the only one there is, or as answered."""
    if options.pseudo_output:
        return Path(options.pseudo_output)
    if options.pseudo_dataset:
        return pseudo_root() / options.pseudo_dataset
    known = known_works()
    if len(known) == 1 and not options.input:
        return known[0]
    there = f"begun are: {', '.join(f.name for f in known)}" if known else "none is begun yet"
    if ask is None:
        raise BadInput(
            f"--pseudo_output is missing: which work? ({there}). Give --pseudo_dataset <name> for a dataset "
            "file, or --pseudo_output <folder> with --input for images"
        )
    if not options.input:
        print(f"pseudo-labels of a dataset file; {there}")
    name = ask("Name of the work's folder: " if options.input else "Dataset: ").strip()
    if not name or "/" in name or name.startswith("."):
        raise BadInput(f"--pseudo_output {name!r}: is no name")
    return pseudo_root() / name


def _open(options: Any, folder: Path) -> Work:
    """The work in a folder, begun where none is.

    Raises:
        BadInput: it is about another source than the options say.
    """
    work = read_work(folder)
    asked = options.pseudo_dataset
    if work is None:
        if options.step not in ("", "generate"):
            raise BadInput(f"{folder}: holds no pseudo-labels yet; --step generate first")
        if options.input and asked:
            raise BadInput("give one of --pseudo_dataset and --input, not both")
        source: dict[str, Any] = {"kind": "images"}
        if not options.input:
            source = {"kind": "dataset", "name": asked or folder.name}
            source["key"] = options.pseudo_dataset_key or "crop3d"
            source["spacing"] = options.dataset_spacing and list(options.dataset_spacing)
        return Work(folder, new_state(folder.name, source))
    about = work.state["source"]
    if asked and (about["kind"] != "dataset" or about["name"] != asked):
        raise BadInput(
            f"--pseudo_dataset {asked}: {folder} was begun with {about.get('name', 'images')}; give another "
            "--pseudo_output"
        )
    if options.pseudo_dataset_key and options.pseudo_dataset_key != about.get("key"):
        raise BadInput(
            f"--pseudo_dataset_key {options.pseudo_dataset_key}: {folder} was begun with "
            f"{about.get('key', 'images')}; give another --pseudo_output"
        )
    if options.input and about["kind"] == "dataset":
        raise BadInput(
            f"--input: {folder} was begun with the dataset {about['name']}; give another --pseudo_output"
        )
    return work


def terminal() -> Ask | None:
    """How to ask: by standard input where that is a terminal; Ctrl-D means quit, or no."""

    def ask(question: str) -> str:
        try:
            return input(question)
        except EOFError:
            print()
            return "q"

    return ask if sys.stdin is not None and sys.stdin.isatty() else None
