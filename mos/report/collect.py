"""Finds the runs below `.checkpoint` and puts all their scores into one long table."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mos import folders
from mos.report.cache import Cache
from mos.report.collection import RUN_COLUMNS, Collection, Later, Sources, columns_of
from mos.report.comparable import comparison_notices
from mos.report.metric import metrics_of
from mos.report.notice import Notice
from mos.report.remembered import remembered
from mos.report.rows import BrokenFile, KeptRows, read_rows
from mos.report.run_record import Run, read_run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """The rows of one metric file and whose they are."""

    run: Run
    stage: str
    kept: KeptRows

    @property
    def text(self) -> str:
        """Everything that its rows are made from."""
        names = [self.run.name if key == "run" else getattr(self.run, key) for key in RUN_COLUMNS]
        return repr((names, self.run.label_names, self.stage, self.kept.digest))

    @property
    def stages(self) -> list[str]:
        """The stages of its rows, sorted."""
        return sorted(self.named(name) for name in self.kept.sets)

    def named(self, set_: str) -> str:
        """The stage of a row of a set; "" where the file names none."""
        return f"{self.stage} {set_}".rstrip()


def collect(root: Path, task: str, cache: Cache | None = None) -> Collection:
    """Reads every run in `<root>/<task>-*/*/`; what cannot be read becomes a notice, never an error.

    `cache` is asked before a file is read; the result is the same without it.
    """
    cache = cache or Cache(None)
    runs, scores, notices = [], [], []
    for folder in find_runs(root, task):
        run = read_run(folder, task, cache)
        if run.task != task:  # `<task>-*` also matches the folders of a task named `<task>-more`
            continue
        runs.append(run)
        problems = list(run.problems)
        scores += _scores(run, problems, cache)
        notices += [_notice(run, kind, text) for kind, text in problems]
    scores = [one for one in scores if one.kept.count]
    rows = Later(partial(_rows, scores, columns_of(task)))
    texts = defaultdict(list)
    for one in scores:
        texts[one.run.dataset, one.stage].append(one.text)
    stages = [(one.run.dataset, stage) for one in scores for stage in one.stages]
    notices += remembered(
        cache,
        "notices",
        [*(run.told for run in runs), *(text for of in texts.values() for text in of)],
        lambda: comparison_notices(runs, rows.frame()),
        [Notice],
    )
    return Collection(
        root=root,
        task=task,
        runs=tuple(runs),
        rows=rows,
        notices=tuple(notices),
        cache=cache,
        sources=Sources(rows=rows, texts=texts, stages=tuple(dict.fromkeys(stages))),
    )


def find_runs(root: Path, task: str) -> list[Path]:
    """The run folders of a task: those with a run.json, or with an epoch's folder. Sorted."""
    found = []
    settings = [f for f in root.iterdir() if f.name.startswith(f"{task}-")] if root.is_dir() else []
    for setting in filter(Path.is_dir, settings):
        for folder in filter(Path.is_dir, setting.iterdir()):
            if (folder / folders.RUN_RECORD).exists() or folders.epoch_numbers(folder):
                found.append(folder)
    return sorted(found)


def _scores(run: Run, problems: list[tuple[str, str]], cache: Cache) -> list[_Scores]:
    """The scores of the run's shown epoch, one table per stage but training."""
    if run.epoch is None:
        return []
    found = []
    epoch = folders.epoch_folder(run.folder, run.epoch)
    for path, stage in _metric_files(epoch):
        try:
            read = read_cached(path, run.setting, cache)
            if metrics_of(run.task)[0].key not in read.columns:
                raise BrokenFile(f"it has no raw_{metrics_of(run.task)[0].key}")
        except BrokenFile as error:
            problems.append(("broken", f"{epoch.name}/{path.name} is left out: {error}"))
            continue
        problems += [(kind, f"{epoch.name}/{path.name}: {text}") for kind, text in read.lacks]
        found.append(_Scores(run=run, stage=stage, kept=read))
    if not any(scores.stage == "test" and scores.kept.count for scores in found):
        source = run.record.get("dataset")
        counts = source.get("cases") if isinstance(source, dict) else None
        if isinstance(counts, dict) and counts.get("test") == 0:
            problems.append(("no scores", "its dataset has no test cases"))
        else:
            problems.append(("no scores", f"no test scores of epoch {run.epoch}"))
    return found


def _metric_files(epoch: Path) -> list[tuple[Path, str]]:
    """The metric files of an epoch and their stages, sorted, but for training."""
    ending = "-metrics.pt"
    try:
        names = sorted(name for name in os.listdir(epoch) if name.endswith(ending))
    except OSError:  # training removed it meanwhile, or it may not be read
        return []
    stages = [name.removesuffix(ending) for name in names]
    return [(epoch / name, stage) for name, stage in zip(names, stages) if stage != "train"]


def read_cached(path: Path, setting: str, cache: Cache) -> KeptRows:
    """`read_rows(path)` through the cache, which knows what is broken too.

    Raises:
        BrokenFile: as `read_rows`.
    """

    def read(path: Path) -> tuple[bytes, bytes]:
        try:
            head, body = read_rows(path).to_bytes()
        except BrokenFile as error:
            return b"X" + json.dumps(str(error)).encode(), b""
        return b"R" + head, body

    try:
        kept = cache.read_parts(path, setting, read)
    except OSError as error:
        raise BrokenFile(f"it cannot be read ({error})") from error
    if kept.head[:1] == b"X":
        raise BrokenFile(json.loads(kept.head[1:]))
    return KeptRows(kept.head[1:], kept.body)


def _rows(scores: Sequence[_Scores], names: Sequence[str]) -> pd.DataFrame:
    """All scores as one frame with the columns `names`."""
    import pandas as pd
    import pyarrow as pa

    if not scores:
        return pd.DataFrame(columns=names)
    table = pa.concat_tables(one.kept.table for one in scores)
    columns = {name: table.column(name) for name in table.column_names}
    source = np.repeat(np.arange(len(scores)), [one.kept.count for one in scores])
    for key in RUN_COLUMNS:
        values = [one.run.name if key == "run" else getattr(one.run, key) for one in scores]
        kind = pa.int64() if key in ("seed", "epoch") else pa.string()
        columns[key] = pa.array(values, kind).take(source)
    stages = [
        (
            list(map(one.named, one.kept.table.column("set").to_pylist()))
            if len(one.kept.sets) > 1
            else one.stages * one.kept.count
        )
        for one in scores
    ]
    columns["stage"] = pa.array([stage for of_file in stages for stage in of_file], pa.string())
    columns["label_name"] = pa.array(_label_names(scores, source, table.column("label").to_numpy()))
    return pa.table({name: columns[name] for name in names}).to_pandas()


def _label_names(scores: Sequence[_Scores], source: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(n,) the name that the row's run gives to its label, or its number."""
    count = int(label.max(initial=0)) + 1
    names = [one.run.label_names for one in scores]
    table = np.array([[of.get(i, str(i)) for i in range(count)] for of in names], dtype=object)
    return table[source, label]


def _notice(run: Run, kind: str, text: str) -> Notice:
    return Notice(kind=kind, dataset=run.dataset, run=run.name, setting=run.setting, text=text)
