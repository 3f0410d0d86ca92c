"""The runs of a collage: found by name over the folds, with their scores and images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mos.engine.lock import RunLock
from mos.errors import BadInput
from mos.folders import RUN_RECORD, checkpoint_root, metric_file
from mos.report.case_images import CaseImages, case_file, load_case_images
from mos.report.collect import find_runs
from mos.report.rows import BrokenFile, read_metric_file
from mos.report.run_record import read_run, split_setting
from run.baseline.model_arguments import TASK
from run.baseline.plotting import store_images
from run.baseline.stored import stored_epoch


@dataclass(kw_only=True)
class Found:
    """A run of a collage over all folds of its dataset."""

    name: str
    folders: list[Path]  # one for each fold; none: there is no such run
    label_names: dict[int, str] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # by metric, then case
    home: dict[str, Path] = field(default_factory=dict)  # by case: the epoch that tested it


def find_contenders(names: Sequence[str], setting: str) -> tuple[str, list[Found]]:
    """The dataset and its runs in the order named; all of them, sorted, where none is named.

    Args:
        names: run names, or run folders.
        setting: `acdc-0`, or `acdc` for all its folds; empty: the only dataset there is.

    Raises:
        BadInput: no run at all, or runs of several datasets.
    """
    paths = {name: Path(name) for name in names if (Path(name) / RUN_RECORD).is_file()}
    if paths and not setting:
        datasets = {_dataset_of(path) for path in paths.values()}
        every = (
            list(paths.values()) if len(paths) == len(names) else find_runs(checkpoint_root(), TASK)
        )
    else:
        every = find_runs(checkpoint_root(), TASK)
        if setting:
            own = [run for run in every if _setting_of(run) == setting]
            every = own or [run for run in every if _dataset_of(run) == setting]
        datasets = {_dataset_of(run) for run in every}
    if setting and not every:
        there = sorted({_setting_of(run) for run in find_runs(checkpoint_root(), TASK)})
        raise BadInput(
            f"--setting {setting}: no run of it in {checkpoint_root()}; there are runs of: "
            f"{', '.join(there) or 'none'}"
        )
    if not every:
        raise BadInput(
            f"{checkpoint_root()}: holds no run; train some first, or name run folders with --run"
        )
    if len(datasets) > 1:
        raise BadInput(
            f"runs of several datasets ({', '.join(sorted(datasets))}) have no cases in common; choose one with "
            "--setting"
        )
    dataset = datasets.pop()
    every = [run for run in every if _dataset_of(run) == dataset]
    if not names:
        order = {run: read_run(run, TASK).order for run in every}
        names = list(dict.fromkeys(run.name for run in sorted(every, key=order.__getitem__)))
    found = []
    for name in names:
        here = [paths[name]] if name in paths else [run for run in every if run.name == name]
        found.append(
            Found(name=(paths[name].resolve() if name in paths else Path(name)).name, folders=here)
        )
    if not any(one.folders for one in found):
        there = sorted({run.name for run in every})
        raise BadInput(f"--run {' '.join(names)}: none is there; {dataset} has {', '.join(there)}")
    return setting or dataset, found


def read_scores(one: Found, epoch: str, metrics: Sequence[str], label: str) -> list[str]:
    """Fills in a run's test scores of the wanted epoch.

    Args:
        metrics: keys of `mos.metrics.table`.
        label: id or name; empty: the mean over the scored labels of a case.

    Returns:
        What could not be read.

    Raises:
        BadInput: no such label.
    """
    problems = []
    for folder in one.folders:
        record = read_run(folder, TASK)
        one.label_names |= record.label_names
        try:
            home = _epoch(folder, epoch)
            frame, _ = read_metric_file(metric_file(home, "test"), record.label_names)
        except (BadInput, BrokenFile) as error:
            problems.append(f"{folder.parent.name}/{folder.name}: no test scores ({error})")
            continue
        if label:
            known = {str(number): number for number in record.label_names if number}
            known |= {name: number for number, name in record.label_names.items() if number}
            if label not in known:
                raise BadInput(
                    f"--score_label {label}: {folder} has no such label; it has "
                    f"{', '.join(f'{n} {name}' for n, name in record.label_names.items() if n)}"
                )
            frame = frame[frame["label"] == known[label]]
        for case, rows in frame.groupby("case", sort=False):
            one.home[case] = home
            for key in metrics:
                values = rows[key].to_numpy(float)
                values = values[~np.isnan(values)]
                one.scores.setdefault(key, {})[case] = values.mean() if len(values) else math.nan
    return problems


def fetch_images(
    one: Found, cases: Sequence[str], options: Any
) -> tuple[dict[str, CaseImages], dict[str, str], list[str]]:
    """The images of cases, predicted where they are not stored and that is asked for.

    Returns:
        Images by case; a few words by case for what is missing; full messages of what went wrong.
    """
    images: dict[str, CaseImages] = {}
    gaps: dict[str, str] = {}
    problems: list[str] = []
    for home in dict.fromkeys(one.home[case] for case in cases if case in one.home):
        its = [case for case in cases if one.home.get(case) == home]
        if options.predict:
            try:
                with RunLock(home.parent):
                    store_images(home.parent, options, its)
            except BadInput as error:
                problems.append(str(error))
        for case in its:
            try:
                images[case] = load_case_images(case_file(home, case))
            except BadInput as error:
                gaps[case] = (
                    "not predicted; run plot-test" if not options.predict else "no prediction"
                )
                problems += [] if options.predict else [str(error)]
    gaps |= {case: "not among its test cases" for case in cases if case not in one.home}
    return images, gaps, problems


def same_cases(
    runs: Sequence[Mapping[str, CaseImages]], cases: Sequence[str]
) -> dict[str, set[int]]:
    """By case, the runs whose reference is not that of the first run: they were made on other data."""
    others: dict[str, set[int]] = {}
    for case in cases:
        having = [(number, run[case]) for number, run in enumerate(runs) if case in run]
        for number, images in having[1:]:
            first = having[0][1]
            if not (
                np.array_equal(images.reference, first.reference)
                and np.array_equal(images.image, first.image)
            ):
                others.setdefault(case, set()).add(number)
    return others


def _epoch(run: Path, wanted: str) -> Path:
    """The epoch's folder; its weights need not be there."""
    folder = (run / wanted).resolve()
    return stored_epoch(run, wanted) if wanted.isdecimal() or not folder.is_dir() else folder


def _setting_of(run: Path) -> str:
    return run.resolve().parent.name.removeprefix(f"{TASK}-")


def _dataset_of(run: Path) -> str:
    return split_setting(_setting_of(run))[0]
