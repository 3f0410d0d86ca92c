"""One metric file of an epoch as rows in long form: one row per case and label."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mos.report.metric import COUNTS, KEYS, metrics_of
from mos.report.scores import case_means, point_states, states
from mos.report.torch_file import Unusual, read_torch_file

if TYPE_CHECKING:  # slow to import, and a summary in which nothing is new needs neither
    import pandas as pd
    import pyarrow as pa

POINT_METRICS = metrics_of("landmark")
POINT_KEYS = tuple(metric.key for metric in POINT_METRICS)


class BrokenFile(Exception):
    """A result file that cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class MetricRows:
    """What a metric file says.

    `table` has the columns set (of zero-shot files, else ""), case, patient, label, the metrics by
    their keys, nsd_tolerance (mm; not of landmarks) and state (one of `mos.report.scores.STATES`, or MASKED),
    ordered by case as in the file, then label; background is left out unless scored. `lacks` is what
    the file lacks, as (kind, sentence); the metrics it lacks are nan.
    """

    table: pa.Table
    lacks: tuple[tuple[str, str], ...]

    def to_bytes(self) -> tuple[bytes, bytes]:
        """What can be asked of the rows without them, and the rows."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as stream:
            stream.write_table(self.table)
        body = sink.getvalue().to_pybytes()
        head = {
            "lacks": self.lacks,
            "count": len(self.table),
            "columns": self.table.column_names,
            "sets": sorted(set(self.table.column("set").to_pylist())),
            "digest": hashlib.blake2b(body, digest_size=16).hexdigest(),
        }
        return json.dumps(head).encode(), body


class KeptRows:
    """A `MetricRows` that came through the cache; its table is read when it is asked for."""

    def __init__(self, head: bytes, body: Callable[[], bytes]):
        known = json.loads(head)
        self.lacks: tuple[tuple[str, str], ...] = tuple(map(tuple, known["lacks"]))
        self.count: int = known["count"]
        self.columns: list[str] = known["columns"]
        self.sets: list[str] = known["sets"]  # those that occur, sorted
        self.digest: str = known["digest"]  # equal for equal rows
        self._body = body

    @cached_property
    def table(self) -> pa.Table:
        """As `MetricRows.table`."""
        import pyarrow as pa

        with pa.ipc.open_stream(self._body()) as stream:
            return stream.read_all()


def read_metric_file(
    path: Path, label_names: dict[int, str]
) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """One file as a frame: the columns of `MetricRows`, and label_name; then what the file lacks.

    Raises:
        BrokenFile: as `read_rows`.
    """
    found = read_rows(path)
    frame = found.table.to_pandas()
    names = [label_names.get(label, str(label)) for label in frame["label"].tolist()]
    frame.insert(frame.columns.get_loc("label") + 1, "label_name", names)
    return frame, found.lacks


def read_rows(path: Path) -> MetricRows:
    """Reads `<epoch>/<stage>-metrics.pt`.

    Raises:
        BrokenFile: half written, foreign, or arrays that do not belong together.
    """
    content = _load(path)
    # A landmark has a column, as a label has; only there is no background before the first.
    points = f"raw_{POINT_KEYS[0]}" in content
    keys, more = (POINT_KEYS, ()) if points else (KEYS, (*COUNTS, "nsd_tolerance"))
    tables = {key: _table(content, f"raw_{key}") for key in (*keys, *more)}
    given = {key: table for key, table in tables.items() if table is not None}
    if keys[0] not in given:
        raise BrokenFile(f"it has no raw_{keys[0]} (n, label_count)")
    n, label_count = given[keys[0]].shape
    for key, table in given.items():
        if table.shape != (n, label_count):
            raise BrokenFile(f"raw_{key} is {table.shape}, raw_{keys[0]} is {(n, label_count)}")
    cases = _texts(content, "case")
    if len(cases) != n:
        raise BrokenFile(f"it names {len(cases)} cases for {n} rows")
    sets = _texts(content, "set") or [""] * n
    if len(sets) != n:
        raise BrokenFile(f"it names {len(sets)} sets for {n} rows")
    if len(set(zip(sets, cases))) != n:
        raise BrokenFile("it names a case twice")
    patients = _texts(content, "patient") or cases
    if len(patients) != n:
        raise BrokenFile(f"it names {len(patients)} patients for {n} rows")

    import pyarrow as pa

    lacks = []
    if points:
        state = point_states(given[keys[0]])
        error = given[keys[0]]  # all that is known of a landmark
        given |= {m.key: m.value(error) for m in POINT_METRICS if m.key not in given}
    elif all(key in given for key in COUNTS):
        state = states(*(given[key] for key in COUNTS))
    else:
        state = _states_without_counts(given["dice"], given.get("hd"))
        text = "it has no raw_tp, raw_fp, raw_fn: invented structures are counted as missed"
        lacks.append(("broken", text))
    lacks += [("broken", text) for text in _disagreements(content, given, state, keys)]
    lacks += _unfilled(given, state, keys)

    first = 0 if points or (label_count and (state[:, 0] != "not scored").any()) else 1
    labels = list(range(first, label_count))
    nothing = np.full((n, label_count), np.nan)
    of_case = np.repeat(np.arange(n), len(labels))
    columns = {
        "set": pa.array(sets, pa.string()).take(of_case),
        "case": pa.array(cases, pa.string()).take(of_case),
        "patient": pa.array(patients, pa.string()).take(of_case),
        "label": pa.array(np.tile(np.asarray(labels, np.int64) + points, n)),
    }
    for key in (*keys, *more[len(COUNTS) :]):
        columns[key] = pa.array(given.get(key, nothing)[:, labels].ravel())
    columns["state"] = pa.array(state[:, labels].ravel(), pa.string())
    return MetricRows(table=pa.table(columns), lacks=tuple(lacks))


def _load(path: Path) -> dict:
    try:
        content = read_torch_file(path)
    except (Unusual, OSError):
        content = _load_by_torch(path)
    if not isinstance(content, dict):
        raise BrokenFile(f"it holds a {type(content).__name__}, not a dictionary")
    return content


def _load_by_torch(path: Path) -> object:
    """For what the fast reader does not know; torch takes seconds to import."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn or foreign file can fail anywhere inside zip and pickle
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BrokenFile(f"it cannot be read ({reason[:200]})") from error


def _texts(content: dict, key: str) -> list[str]:
    given = content.get(key, ())
    return [str(one) for one in given] if isinstance(given, list | tuple) else []


def _table(content: dict, key: str) -> np.ndarray | None:
    if key not in content:
        return None
    try:
        table = np.asarray(content[key], dtype=float)
    except (TypeError, ValueError) as error:
        raise BrokenFile(f"{key} is no table of numbers") from error
    if table.ndim != 2:
        raise BrokenFile(f"{key} is {table.shape}, needs (n, label_count)")
    return table


def _states_without_counts(dice: np.ndarray, hd: np.ndarray | None) -> np.ndarray:
    """For files of formats.md without counts: a label that no case has is taken as not scored."""
    one_sided = dice == 0 if hd is None else np.isinf(hd)
    never = np.broadcast_to(np.isnan(dice).all(axis=0), dice.shape)
    return np.select(
        [never, one_sided, np.isnan(dice)], ["not scored", "missed", "absent"], default="scored"
    )


def _unfilled(given: dict, state: np.ndarray, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Metrics without a value for structures that are scored: older files, before re-evaluation."""
    valued = (state != "not scored") & (state != "absent") & (state != "masked")
    lacking = [
        key
        for key in keys
        if valued.any() and (key not in given or np.isnan(given[key][valued]).any())
    ]
    if not lacking:
        return []
    text = f"it has no {', '.join(lacking)} of some scores; .scripts/baseline/cmd/re_eval complete"
    return [("re-evaluate", f"{text} fills in what can be")]


def _disagreements(content: dict, given: dict, state: np.ndarray, keys: Sequence[str]) -> list[str]:
    """Checks the stored means per case (n,) against the table they were made from."""
    keys = [key for key in keys if key in given and key in content]
    if not keys:
        return []
    scored = np.where(state == "not scored", np.nan, [given[key] for key in keys])
    found = []
    for key, again in zip(keys, case_means(scored)):
        if not _same(content[key], again):
            found.append(f"its {key} is not the mean of its raw_{key}; raw_{key} is used")
    return found


def _same(stored: object, again: np.ndarray) -> bool:
    try:
        stored = np.asarray(stored, dtype=float).ravel()
    except (TypeError, ValueError):
        return False
    return stored.shape == again.shape and np.allclose(stored, again, atol=1e-6, equal_nan=True)
