"""The report as plain data for result.json: no nan, no infinity, nothing but JSON's own types."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mos.report.collect import Collection
from mos.report.metric import METRICS
from mos.report.table import Line
from mos.report.zeroshot import ZeroShotLine


def as_data(
    collection: Collection,
    overview: Sequence[Line],
    per_label: Sequence[Line],
    per_fold: Sequence[Line],
    zeroshot: Sequence[ZeroShotLine],
    *,
    created: datetime,
    version: str,
) -> dict[str, Any]:
    """What the page shows, without the learning curves; null stands for a number that is not there."""
    return plain(
        {
            "format": 1,
            "created": created.isoformat(timespec="seconds"),
            "mos": version,
            "task": collection.task,
            "checkpoint_folder": collection.root,
            "metrics": [
                {k: getattr(metric, k) for k in "key title unit higher_is_better rule".split()}
                for metric in METRICS
            ],
            "overview": overview,
            "per_label": per_label,
            "per_fold": per_fold,
            "zeroshot": zeroshot,
            "runs": [
                {
                    "folder": run.folder.relative_to(collection.root),
                    **{k: getattr(run, k) for k in "setting dataset fold name epoch".split()},
                    **{k: getattr(run, k) for k in "chosen_by epochs_done epochs_wanted".split()},
                    "record": run.record,
                }
                for run in collection.runs
            ],
            "warnings": collection.notices,
        }
    )


def plain(value: Any) -> Any:
    """Turns dataclasses, sets, tuples and paths into JSON's types, and nan and infinity into None."""
    if is_dataclass(value):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(entry) for entry in value)
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
