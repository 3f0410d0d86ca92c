"""Finds the runs below `.checkpoint` and puts all their scores into one long table."""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mos import folders
from mos.report.cache import Cache
from mos.report.cache_key import digest
from mos.report.comparable import comparison_notices
from mos.report.metric import Metric, metrics_of, of_points
from mos.report.notice import Notice
from mos.report.remembered import remembered
from mos.report.rows import BrokenFile, KeptRows, read_rows
from mos.report.run_record import Run, read_run

if TYPE_CHECKING:
    import pandas as pd

_RUN = "task dataset setting fold run network tag dims aux postfix seed epoch".split()


def columns_of(task: str) -> list[str]:
    """The columns of a task's scores in long form."""
    metrics = metrics_of(task)
    return [
        *_RUN,
        *"stage case patient label label_name".split(),
        *(metric.key for metric in metrics),
        *([] if of_points(metrics) else ["nsd_tolerance"]),
        "state",
    ]


class Later:
    """A frame that is made when somebody asks for it: a summary in which no score is new asks for none."""

    def __init__(self, make: Callable[[], pd.DataFrame]):
        self._make, self._frame, self._lock = make, None, threading.Lock()

    def frame(self) -> pd.DataFrame:
        with self._lock:  # a thread may want it for its file meanwhile
            if self._frame is None:
                self._frame = self._make()
            return self._frame


class _Frame:
    """A field of a dataclass that is given as a frame, or as one for later, and read as a frame."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, one: object, owner: type | None = None) -> pd.DataFrame:
        if one is None:
            raise AttributeError(self._name)  # so the field has no default
        given = one.__dict__[self._name]
        return given.frame() if isinstance(given, Later) else given

    def __set__(self, one: object, given: pd.DataFrame | Later) -> None:
        one.__dict__[self._name] = given


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the rows that were read are made from."""

    rows: Later
    # One text per metric file, by dataset and stage; the zero-shot stages of a file are one.
    texts: Mapping[tuple[str, str], Sequence[str]]
    stages: tuple[tuple[str, str], ...]  # dataset and stage, as they come in the rows


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All runs of a task and all their scores.

    `rows` has the columns of `columns_of(task)`, one row per run, stage, case and label (a landmark is
    one); the metrics are as `mos.metrics.table` says, nan where a structure is in neither map, a landmark
    is masked, or it is not scored. The stage of a zero-shot file is `zeroshot <set>`. `mos.report.long_form`
    says what each column means.
    """

    root: Path
    task: str
    runs: tuple[Run, ...]
    rows: pd.DataFrame = _Frame()
    notices: tuple[Notice, ...]
    cache: Cache = field(default_factory=lambda: Cache(None), repr=False, compare=False)
    sources: Sources | None = field(default=None, repr=False, compare=False)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is scored; the first one picks epochs."""
        return metrics_of(self.task)

    @property
    def of_points(self) -> bool:
        """Whether the labels are landmarks."""
        return of_points(self.metrics)

    @property
    def as_read(self) -> Sources | None:
        """What `rows` are made from; None where they are not those that were read."""
        same = self.sources is not None and self.sources.rows is self.__dict__["rows"]
        return self.sources if same else None

    def inputs(self, dataset: str = "", stage: str = "") -> list[str] | None:
        """What the rows, of a dataset or of one stage of it, were made from: for `Cache.remember`.

        None where it is not known, since the rows are not those that were read.
        """
        if self.as_read is None:
            return None
        kind = stage.partition(" ")[0]  # sets of zero-shot stages share a file
        found = [
            text
            for (of, its_kind), texts in self.sources.texts.items()
            if dataset in ("", of) and kind in ("", its_kind)
            for text in texts
        ]
        return found or None

    def made_from(self, dataset: str = "", stage: str = "") -> str | None:
        """A digest of what tables are made from: `inputs`, and what runs are called that have no scores.

        None where it is not known.
        """
        key = dataset, stage
        known = self.__dict__.setdefault("_made_from", {})
        if key not in known:
            inputs = self.inputs(dataset, stage)
            told = [run.told for run in self.runs if dataset in ("", run.dataset)]
            known[key] = inputs and digest([repr(key), *inputs, "runs", *told])
        return known[key]

    def remembered_text(self, what: str, make: Callable[[], str]) -> str:
        """`make()`, which nothing decides but the scores and records of all runs, or what it gave before."""
        inputs = self.made_from()
        return self.cache.remember_text(what, [inputs], make) if inputs else make()

    @property
    def stages(self) -> list[tuple[str, str]]:
        """Dataset and stage of what is scored, as they come in the rows."""
        if self.as_read is not None:
            return list(self.sources.stages)
        both = self.rows[["dataset", "stage"]].drop_duplicates()
        return list(both.itertuples(index=False, name=None))


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """The rows of one metric file and whose they are."""

    run: Run
    stage: str
    kept: KeptRows

    @property
    def text(self) -> str:
        """Everything that its rows are made from."""
        names = [self.run.name if key == "run" else getattr(self.run, key) for key in _RUN]
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
    for key in _RUN:
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
