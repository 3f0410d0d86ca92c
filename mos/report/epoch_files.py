"""`epochs.csv` and `epochs.parquet`: after one new epoch, most of the first is copied from what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mos.files import atomic_path
from mos.report import arrow, outputs
from mos.report.cache import Cache
from mos.report.cache_key import digest
from mos.report.columns import RUN
from mos.report.run_record import Run

if TYPE_CHECKING:  # slow to import, and not needed where nothing is new
    import pyarrow as pa

_FIRST = (*RUN, "stage", "epoch")


def write_epochs(output: Path, runs: Sequence[Run], cache: Cache) -> None:
    """The numbers of metric.jsonl, one row per run, stage and epoch; nothing where they are written.

    Not flushed to the disk, as `long_form.write_cases`.
    """
    columns = _columns(runs)
    keys = {_key(run, columns): run for run in runs}
    made_from = digest(keys)
    outputs.keep_pieces(cache)
    csv, parquet = output / "epochs.csv", output / "epochs.parquet"
    if not outputs.is_written(cache, csv, made_from):
        _write_csv(csv, columns, keys, cache, made_from)
    if not outputs.is_written(cache, parquet, made_from):
        _write_parquet(parquet, runs, cache, made_from)


def epoch_table(runs: Sequence[Run], columns: Sequence[str] | None = None) -> pa.Table:
    """A row per run, stage and epoch; a column for every number that some line has, null elsewhere.

    Args:
        columns: those of the table, of `runs` and others; None: of these runs.
    """
    import pyarrow as pa

    columns = columns or _columns(runs)
    logged = [run for run in runs if len(run.log)]
    if not logged:
        return pa.Table.from_arrays([arrow.texts([])] * len(columns), list(columns))
    numbers = [name for name in columns if name not in _FIRST and name != "shown"]
    counts = [sum(count for _, count in run.log.rows) for run in logged]
    epochs, values = np.zeros(sum(counts), np.int64), np.full((len(numbers), sum(counts)), np.nan)
    place = {name: at for at, name in enumerate(numbers)}
    for run, end, count in zip(logged, np.cumsum(counts), counts):
        of_run, found = run.log.table
        epochs[end - count : end] = of_run
        for name, row in zip(run.log.numbers, found):
            if name in place:  # else it is called as something that a run is
                values[place[name], end - count : end] = row
    made = {name: arrow.known(row) for name, row in zip(numbers, values)}
    for name in RUN:
        of = [run.name if name == "run" else getattr(run, name) for run in logged]
        made[name] = (
            arrow.numbers(of, np.int64, counts) if name == "seed" else arrow.texts(of, counts)
        )
    stages = [stage for run in logged for stage in run.log.rows]
    made["stage"] = arrow.texts([name for name, _ in stages], [count for _, count in stages])
    made["epoch"] = arrow.integers(epochs)
    shown = np.repeat([-1 if run.epoch is None else run.epoch for run in logged], counts)
    made["shown"] = arrow.truths(epochs == shown)
    return pa.Table.from_arrays([made[name] for name in columns], list(columns))


def _columns(runs: Sequence[Run]) -> list[str]:
    """What a run is, stage and epoch; where something is logged also its numbers, in the order they come."""
    numbers = [name for run in runs for name in run.log.numbers]
    logged = any(len(run.log) for run in runs)
    return list(dict.fromkeys([*_FIRST, *numbers, *(["shown"] if logged else [])]))


def _key(run: Run, columns: Sequence[str]) -> str:
    """All that the rows of a run are made from."""
    names = [run.name if name == "run" else getattr(run, name) for name in RUN]
    return digest([repr((names, run.epoch)), run.log.digest, *columns])


def _write_csv(
    path: Path, columns: Sequence[str], keys: Mapping[str, Run], cache: Cache, made_from: str
) -> None:
    """Every run's rows are a piece of the file; those that the earlier file has are copied."""
    places = []
    with outputs.Pieces(cache, path) as earlier, atomic_path(path, flush=False) as temporary:
        with open(temporary, "wb") as file:
            file.write(_csv(epoch_table([], columns), header=True))
            for key, run in keys.items():
                piece = earlier.get(key)
                if piece is None:
                    piece = _csv(epoch_table([run], columns), header=False)
                places.append((key, file.tell(), len(piece)))
                file.write(piece)
        earlier.note(places, temporary)
        outputs.note_output(cache, path, made_from, temporary)


def _csv(table: pa.Table, *, header: bool) -> bytes:
    import pyarrow as pa
    import pyarrow.csv

    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(include_header=header))
    return sink.getvalue().to_pybytes()


def _write_parquet(path: Path, runs: Sequence[Run], cache: Cache, made_from: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    table = epoch_table(runs)
    meanings = {name: {"unit": "", "meaning": meaning} for name, meaning in RUN.items()}
    fields = [field.with_metadata(meanings.get(field.name)) for field in table.schema]
    table = pa.Table.from_arrays(table.columns, schema=pa.schema(fields))
    with atomic_path(path, flush=False) as temporary:
        pyarrow.parquet.write_table(table, temporary, compression="zstd")
        outputs.note_output(cache, path, made_from, temporary)
