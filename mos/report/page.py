"""The report as one HTML page that needs nothing else: style and script inside, no network."""

import base64
import hashlib
import re
import shlex
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from mos.report import curve, export, table
from mos.report.collect import Collection
from mos.report.metric import METRICS, Metric
from mos.report.notice import Notice
from mos.report.run_record import Run
from mos.report.zeroshot import ZeroShotLine

FOLDS = 5  # a dataset is split into five rotations
STAGE_TITLES = {"test": "Test", "valid": "Validation", "zeroshot": "Zero-shot"}
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The tables of one stage of a dataset."""

    key: str
    title: str
    overview: list[table.Line]
    labels: list[table.Line]
    folds: list[table.Line]
    metrics: list[Metric]  # those that its files have


@dataclass(frozen=True, kw_only=True)
class DatasetPart:
    """One dataset's part of the page."""

    name: str
    stages: list[Stage]
    zeroshot: list[ZeroShotLine]
    zeroshot_metrics: list[Metric]
    curves: list[tuple[str, list[Run], list[curve.Panel]]]
    runs: list[Run]


def render(
    collection: Collection,
    overview: Sequence[table.Line],
    per_label: Sequence[table.Line],
    per_fold: Sequence[table.Line],
    zeroshot: Sequence[ZeroShotLine],
    *,
    created: datetime,
    version: str,
) -> str:
    """The page as text. Every name and note of a user is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["breakable"] = breakable
    style = (_HERE / "style.css").read_text(encoding="utf-8")
    script = (_HERE / "script.js").read_text(encoding="utf-8")
    runs = {(run.dataset, run.name, run.fold): run for run in collection.runs}
    return environment.get_template("page.html.j2").render(
        collection=collection,
        created=created,
        version=version,
        # Markup: these two are ours, not a user's. Their hashes let the page forbid any other.
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        metrics=METRICS,
        parts=_parts(collection, overview, per_label, per_fold, zeroshot),
        tolerances=_tolerances(collection),
        notices=sorted(collection.notices, key=lambda n: (n.dataset, n.run, n.setting, n.kind)),
        flags=lambda line: _flags(collection.notices, line),
        epochs=lambda dataset, run: _epochs(collection.runs, dataset, run),
        run_of=lambda line: runs.get((line.dataset, line.run, line.fold)),
        fold_count=lambda line: _fold_count(collection.runs, line.dataset),
        notices_of=lambda run: _notices_of(collection.notices, run),
        readable=readable,
        command=lambda words: words if isinstance(words, str) else shlex.join(map(str, words)),
        cost=_cost,
        size=curve,
    )


def breakable(name: str) -> Markup:
    """A run's name, escaped, that a narrow column may break between its parts only."""
    return Markup("<wbr>").join(re.split(r"(?<=[-,])|(?=\[)", name))


def readable(value: Any) -> str:
    """A value of run.json for people: `0: background, 1: heart`."""
    if isinstance(value, dict) and value:
        return ", ".join(f"{key}: {readable(entry)}" for key, entry in value.items())
    if value is None or value == {}:
        return "none"
    if isinstance(value, list):
        return "[" + ", ".join(map(readable, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace(",", "\u2009") if abs(value) >= 10000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cost(run: Run) -> list[tuple[str, str]]:
    """What an epoch of training takes, by the lines of metric.jsonl."""
    lines = run.log.get("train", {}).values()
    found = []
    for key, title, unit, choose in (
        ("seconds", "training epoch", "s (median)", statistics.median),
        ("peak_memory_mib", "peak memory", "MiB", max),
    ):
        values = [line[key] for line in lines if isinstance(line.get(key), int | float)]
        if values:
            found.append((title, f"{choose(values):.4g} {unit}"))
    return found


def _notices_of(notices: Sequence[Notice], run: Run) -> list[Notice]:
    """What concerns this run of this fold, and this run in all folds."""
    return [
        n
        for n in notices
        if n.dataset == run.dataset and n.run in ("", run.name) and n.setting in ("", run.setting)
    ]


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _parts(
    collection: Collection,
    overview: Sequence[table.Line],
    per_label: Sequence[table.Line],
    per_fold: Sequence[table.Line],
    zeroshot: Sequence[ZeroShotLine],
) -> list[DatasetPart]:
    parts = []
    for name in sorted({run.dataset for run in collection.runs}):
        runs = [run for run in collection.runs if run.dataset == name]
        runs.sort(key=lambda run: (run.order, run.fold))
        keys = sorted({line.stage for line in overview if line.dataset == name}, key=_stage_order)
        stages = [
            Stage(
                key=key,
                title=_stage_title(key),
                overview=_of(overview, name, key),
                labels=_of(per_label, name, key),
                folds=_of(per_fold, name, key) if any(run.fold for run in runs) else [],
                metrics=export.present(_of(overview, name, key)),
            )
            for key in keys
        ]
        floor = curve.lowest_dice(runs)
        curves = []
        for run_name in dict.fromkeys(run.name for run in runs):
            folds = [run for run in runs if run.name == run_name]
            curves.append((run_name, folds, curve.panels(folds, dice_floor=floor)))
        lines = [line for line in zeroshot if line.dataset == name]
        parts.append(
            DatasetPart(
                name=name,
                stages=stages,
                zeroshot=lines,
                zeroshot_metrics=_with_gap(lines),
                curves=curves,
                runs=runs,
            )
        )
    return parts


def _of(lines: Sequence[table.Line], dataset: str, stage: str) -> list[table.Line]:
    return [line for line in lines if (line.dataset, line.stage) == (dataset, stage)]


def _with_gap(lines: Sequence[ZeroShotLine]) -> list[Metric]:
    """The metrics that some line has a value of, there or at home."""
    return [
        metric
        for metric in METRICS
        if any(
            about.count + about.infinite
            for line in lines
            for about in (line.metrics[metric.key].there, line.metrics[metric.key].home)
        )
    ]


def _tolerances(collection: Collection) -> list[str]:
    """The tolerances of nsd in the files, in mm as text."""
    found = collection.rows["nsd_tolerance"].dropna().unique() if len(collection.rows) else ()
    return [f"{value:g}" for value in sorted(map(float, found))]


def _stage_title(stage: str) -> str:
    """`Zero-shot: phantom-zeroshot` for the stage `zeroshot phantom-zeroshot`."""
    kind, _, name = stage.partition(" ")
    title = STAGE_TITLES.get(kind, kind)
    return f"{title}: {name}" if name else title


def _stage_order(stage: str) -> tuple[int, str]:
    """Test first, validation last, whatever else (zero-shot sets) between."""
    return ({"test": 0, "valid": 2}.get(stage, 1), stage)


def _flags(notices: Sequence[Notice], line: table.Line) -> list[str]:
    """What the overview says below a run's name: the kinds of its notices, each once."""
    settings = {"", *(f"{line.dataset}-{fold}" if fold else line.dataset for fold in line.folds)}
    kinds = [
        n.kind
        for n in notices
        if n.dataset == line.dataset
        and (n.run == line.run or (not n.run and n.setting in settings))
    ]
    return list(dict.fromkeys(kinds + ([] if line.comparable else ["other cases"])))


def _fold_count(runs: Sequence[Run], dataset: str) -> int:
    """How many folds a dataset has; 0 for one that is not split, such as `xxx-all`."""
    folds = [int(run.fold) + 1 for run in runs if run.dataset == dataset and run.fold]
    return max(FOLDS, *folds) if folds else 0


def _epochs(runs: Sequence[Run], dataset: str, name: str) -> str:
    """Epochs done by the folds of a run: `40`, or `12-40` where they differ."""
    done = [run.epochs_done for run in runs if (run.dataset, run.name) == (dataset, name)]
    low, high = min(done), max(done)
    return str(high) if low == high else f"{low}–{high}"
