"""The report as plain data for result.json: no nan, no infinity, nothing but JSON's own types."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from mos.report.analysis import Analysis
from mos.report.collection import Collection
from mos.report.export_analysis import analysis_data
from mos.report.run_record import Run
from mos.report.table import Line
from mos.report.zeroshot import ZeroShotLine

FORMAT = 2
# Beside result.json: what is too long for it, as tables.
FILES = {
    "cases": ["cases.csv", "cases.parquet"],
    "epochs": ["epochs.csv", "epochs.parquet"],
    "comparisons": ["comparisons.csv"],
    "ranking": ["ranking.csv"],
    "seeds": ["seeds.csv"],
    "cost": ["cost.csv"],
    "columns": ["columns.csv"],
}


def as_text(
    collection: Collection,
    overview: Sequence[Line],
    per_label: Sequence[Line],
    per_fold: Sequence[Line],
    zeroshot: Sequence[ZeroShotLine],
    *,
    created: datetime,
    version: str,
    analysis: Analysis | None = None,
) -> str:
    """What the page shows, without the learning curves, as JSON; null stands for a number that is not there.

    What is longer is in the tables beside it, which `files` names.
    """
    about = {
        "format": FORMAT,
        "created": created.isoformat(timespec="seconds"),
        "mos": version,
        "task": collection.task,
        "checkpoint_folder": collection.root,
        "files": FILES,
        "metrics": [
            {k: getattr(metric, k) for k in "key title unit higher_is_better rule".split()}
            for metric in collection.metrics
        ],
    }
    notices = (*collection.notices, *(analysis.notices if analysis else ()))
    tables = {
        "overview": overview,
        "per_label": per_label,
        "per_fold": per_fold,
        "zeroshot": zeroshot,
    }

    def analysed() -> str:
        return _entries(analysis_data(analysis)) if analysis else ""

    parts = [_entries(about)]
    for name, lines in tables.items():
        parts.append(collection.remembered_text(f"json {name}", partial(_entries_of, name, lines)))
    parts += [collection.remembered_text("json analysis", analysed)] if analysis else []
    parts.append(f'"runs": [{", ".join(_run(collection, run) for run in collection.runs)}]')
    parts.append(_entries({"warnings": notices}))
    return "{" + ", ".join(parts) + "}"


def _run(collection: Collection, run: Run) -> str:
    """A run as JSON."""
    folder = run.folder.relative_to(collection.root)
    shown = {k: getattr(run, k) for k in "epoch chosen_by epochs_done epochs_wanted".split()}
    names = {k: getattr(run, k) for k in "setting dataset fold name seed".split()}
    value = {"folder": folder, **names, **shown}
    return collection.cache.remember_text(
        "json run",
        [repr((folder, shown)), run.told],
        lambda: _json(value | {"record": run.record}),
    )


def _entries_of(name: str, lines: Sequence[Any]) -> str:
    return _entries({name: list(lines)})


def _entries(value: Mapping[str, Any]) -> str:
    """A dictionary as JSON, without its braces."""
    return _json(value)[1:-1]


def _json(value: Any) -> str:
    return json.dumps(plain(value), allow_nan=False, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Turns dataclasses, sets, tuples and paths into JSON's types, and nan and infinity into None."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if value is None or kind in (str, int, bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in _names(kind)}
    if isinstance(value, frozenset | set):
        return sorted(plain(entry) for entry in value)
    if isinstance(value, float):  # numpy's too
        return plain(float(value))
    return str(value) if isinstance(value, Path) else value


@lru_cache(maxsize=64)
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
