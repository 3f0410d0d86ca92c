"""Finds the runs below `.checkpoint` and puts all their scores into one long table."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mos import folders
from mos.report.comparable import comparison_notices
from mos.report.metric import KEYS
from mos.report.notice import Notice
from mos.report.rows import BrokenFile, read_metric_file
from mos.report.run_record import Run, read_run

_RUN = "task dataset setting fold run network tag dims aux postfix epoch".split()
COLUMNS = [
    *_RUN,
    *"stage case patient label label_name".split(),
    *KEYS,
    "nsd_tolerance",
    "state",
]


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All runs of a task and all their scores.

    `rows` has the columns COLUMNS, one row per run, stage, case and label; the metrics are as
    `mos.metrics.table` says, nan where a structure is in neither map or not scored. The stage of a
    zero-shot file is `zeroshot <set>`.
    """

    root: Path
    task: str
    runs: tuple[Run, ...]
    rows: pd.DataFrame
    notices: tuple[Notice, ...]


def collect(root: Path, task: str) -> Collection:
    """Reads every run in `<root>/<task>-*/*/`; what cannot be read becomes a notice, never an error."""
    runs, frames, notices = [], [], []
    for folder in find_runs(root, task):
        run = read_run(folder, task)
        if run.task != task:  # `<task>-*` also matches the folders of a task named `<task>-more`
            continue
        runs.append(run)
        problems = list(run.problems)
        frames += _score_frames(run, problems)
        notices += [_notice(run, kind, text) for kind, text in problems]
    frames = [frame for frame in frames if len(frame)]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)
    notices += comparison_notices(runs, rows)
    return Collection(root=root, task=task, runs=tuple(runs), rows=rows, notices=tuple(notices))


def find_runs(root: Path, task: str) -> list[Path]:
    """The run folders of a task: those with a run.json, or with an epoch's folder. Sorted."""
    found = []
    settings = [f for f in root.iterdir() if f.name.startswith(f"{task}-")] if root.is_dir() else []
    for setting in filter(Path.is_dir, settings):
        for folder in filter(Path.is_dir, setting.iterdir()):
            if (folder / folders.RUN_RECORD).exists() or folders.epoch_folders(folder):
                found.append(folder)
    return sorted(found)


def _score_frames(run: Run, problems: list[tuple[str, str]]) -> list[pd.DataFrame]:
    """The scores of the run's shown epoch, one frame per stage but training."""
    if run.epoch is None:
        return []
    frames = []
    epoch = folders.epoch_folder(run.folder, run.epoch)
    for path in sorted(epoch.glob("*-metrics.pt")):
        stage = path.name.removesuffix("-metrics.pt")
        if stage == "train":
            continue
        try:
            frame, lacks = read_metric_file(path, run.label_names)
        except BrokenFile as error:
            problems.append(("broken", f"{epoch.name}/{path.name} is left out: {error}"))
            continue
        problems += [(kind, f"{epoch.name}/{path.name}: {text}") for kind, text in lacks]
        whose = {key: getattr(run, key) for key in _RUN if key != "run"}
        stages = [f"{stage} {name}".rstrip() for name in frame["set"]]
        frames.append(frame.assign(**whose, run=run.name, stage=stages)[COLUMNS])
    if not any(len(frame) and frame["stage"].iloc[0] == "test" for frame in frames):
        source = run.record.get("dataset")
        counts = source.get("cases") if isinstance(source, dict) else None
        if isinstance(counts, dict) and counts.get("test") == 0:
            problems.append(("no scores", "its dataset has no test cases"))
        else:
            problems.append(("no scores", f"no test scores of epoch {run.epoch}"))
    return frames


def _notice(run: Run, kind: str, text: str) -> Notice:
    return Notice(kind=kind, dataset=run.dataset, run=run.name, setting=run.setting, text=text)
