"""The report as plain data for result.json: no nan, no infinity, nothing but JSON's own types."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mos.report.analysis import Analysis
from mos.report.collect import Collection
from mos.report.export_analysis import analysis_data
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
    "columns": ["columns.csv"],
}


def as_data(
    collection: Collection,
    overview: Sequence[Line],
    per_label: Sequence[Line],
    per_fold: Sequence[Line],
    zeroshot: Sequence[ZeroShotLine],
    *,
    created: datetime,
    version: str,
    analysis: Analysis | None = None,
) -> dict[str, Any]:
    """What the page shows, without the learning curves; null stands for a number that is not there.

    What is longer is in the tables beside it, which `files` names.
    """
    notices = (*collection.notices, *(analysis.notices if analysis else ()))
    return plain(
        {
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
            "overview": overview,
            "per_label": per_label,
            "per_fold": per_fold,
            "zeroshot": zeroshot,
            **(analysis_data(analysis) if analysis else {}),
            "runs": [
                {
                    "folder": run.folder.relative_to(collection.root),
                    **{k: getattr(run, k) for k in "setting dataset fold name seed epoch".split()},
                    **{k: getattr(run, k) for k in "chosen_by epochs_done epochs_wanted".split()},
                    "record": run.record,
                }
                for run in collection.runs
            ],
            "warnings": notices,
        }
    )


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
