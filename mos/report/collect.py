"""Finds the runs below `.checkpoint` and puts all their scores into one long table."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from mos import folders
from mos.report.cache import Cache
from mos.report.comparable import comparison_notices
from mos.report.metric import Metric, metrics_of, of_points
from mos.report.notice import Notice
from mos.report.rows import BrokenFile, MetricRows, read_rows
from mos.report.run_record import Run, read_run

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


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What rows were made from, as texts: one per metric file, by dataset and stage."""

    rows: pd.DataFrame
    texts: Mapping[tuple[str, str], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All runs of a task and all their scores.

    `rows` has the columns of `columns_of(task)`, one row per run, stage, case and label (a landmark is
    one); the metrics are as `mos.metrics.table` says, nan where a structure is in neither map, a landmark
    is masked, or it is not scored. The stage of a zero-shot file is `zeroshot <set>`. `mos.report.long_form` says what each column means.
    """

    root: Path
    task: str
    runs: tuple[Run, ...]
    rows: pd.DataFrame
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

    def inputs(self, dataset: str, stage: str = "") -> list[str] | None:
        """What the rows of a dataset, or of one stage of it, were made from: for `Cache.remember`.

        None where it is not known, since the rows are not those that were read.
        """
        if self.sources is None or self.sources.rows is not self.rows:
            return None
        kind = stage.partition(" ")[0]  # sets of zero-shot stages share a file
        found = [
            text
            for (of, its_kind), texts in self.sources.texts.items()
            if of == dataset and kind in ("", its_kind)
            for text in texts
        ]
        return found or None


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """The rows of one metric file and whose they are."""

    run: Run
    stage: str
    table: pa.Table
    digest: str

    @property
    def text(self) -> str:
        """Everything that its rows are made from."""
        names = [self.run.name if key == "run" else getattr(self.run, key) for key in _RUN]
        return repr((names, self.run.label_names, self.stage, self.digest))


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
    rows = _rows(scores, columns_of(task))
    notices += comparison_notices(runs, rows)
    texts = defaultdict(list)
    for one in scores:
        texts[one.run.dataset, one.stage].append(one.text)
    return Collection(
        root=root,
        task=task,
        runs=tuple(runs),
        rows=rows,
        notices=tuple(notices),
        cache=cache,
        sources=Sources(rows=rows, texts=texts),
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
    for path in sorted(epoch.glob("*-metrics.pt")):
        stage = path.name.removesuffix("-metrics.pt")
        if stage == "train":
            continue
        try:
            read = read_cached(path, run.setting, cache)
            if metrics_of(run.task)[0].key not in read.table.column_names:
                raise BrokenFile(f"it has no raw_{metrics_of(run.task)[0].key}")
        except BrokenFile as error:
            problems.append(("broken", f"{epoch.name}/{path.name} is left out: {error}"))
            continue
        problems += [(kind, f"{epoch.name}/{path.name}: {text}") for kind, text in read.lacks]
        found.append(_Scores(run=run, stage=stage, table=read.table, digest=read.digest))
    if not any(scores.stage == "test" and len(scores.table) for scores in found):
        source = run.record.get("dataset")
        counts = source.get("cases") if isinstance(source, dict) else None
        if isinstance(counts, dict) and counts.get("test") == 0:
            problems.append(("no scores", "its dataset has no test cases"))
        else:
            problems.append(("no scores", f"no test scores of epoch {run.epoch}"))
    return found


def read_cached(path: Path, setting: str, cache: Cache) -> MetricRows:
    """`read_rows(path)` through the cache, which knows what is broken too.

    Raises:
        BrokenFile: as `read_rows`.
    """

    def read(path: Path) -> bytes:
        try:
            return b"R" + read_rows(path).to_bytes()
        except BrokenFile as error:
            return b"X" + json.dumps(str(error)).encode()

    try:
        data = cache.read_file(path, setting, read)
    except OSError as error:
        raise BrokenFile(f"it cannot be read ({error})") from error
    if data[:1] == b"X":
        raise BrokenFile(json.loads(data[1:]))
    return MetricRows.from_bytes(data[1:])


def _rows(scores: Sequence[_Scores], names: Sequence[str]) -> pd.DataFrame:
    """All scores as one frame with the columns `names`."""
    scores = [one for one in scores if len(one.table)]
    if not scores:
        return pd.DataFrame(columns=names)
    table = pa.concat_tables(one.table for one in scores)
    columns = {name: table.column(name) for name in table.column_names}
    source = np.repeat(np.arange(len(scores)), [len(one.table) for one in scores])
    for key in _RUN:
        values = [one.run.name if key == "run" else getattr(one.run, key) for one in scores]
        kind = pa.int64() if key in ("seed", "epoch") else pa.string()
        columns[key] = pa.array(values, kind).take(source)
    stages = [
        (
            [f"{one.stage} {name}".rstrip() for name in one.table.column("set").to_pylist()]
            if one.stage == "zeroshot" or one.table.column("set")[0].as_py()
            else [one.stage] * len(one.table)
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
