"""All scores as files for pandas and R: CSV and Parquet in long form.

In a CSV an empty cell is a number that is not there, `inf` the distance of a missed or invented structure. In
Parquet the first is null, the second infinity, and fields carry their unit and meaning as metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mos.files import atomic_path
from mos.report import arrow
from mos.report.cache import Cache
from mos.report.collect import Collection, columns_of
from mos.report.columns import RUN, case_columns
from mos.report.run_record import Run

if TYPE_CHECKING:  # slow to import, and not needed where nothing is new
    import pyarrow as pa


def write_cases(output: Path, collection: Collection) -> None:
    """`cases.csv` and `cases.parquet`: the rows of the collection, all that the tables were made from.

    Scores of the shown epochs; what other epochs came to is in `epochs`.
    """

    def table() -> pa.Table:
        import pyarrow as pa

        return pa.Table.from_pandas(collection.rows, preserve_index=False)

    meanings = {
        name: (unit, text) for name, unit, text in case_columns(columns_of(collection.task))
    }
    _write(table, output / "cases", meanings, collection.cache, collection.inputs())


def write_epochs(output: Path, collection: Collection) -> None:
    """`epochs.csv` and `epochs.parquet`: the numbers of metric.jsonl, one row per run, stage and epoch."""
    runs = collection.runs
    inputs = [repr((run.told, run.epoch, run.log.digest)) for run in runs]
    meanings = {name: ("", text) for name, text in RUN.items()}
    _write(partial(epoch_table, runs), output / "epochs", meanings, collection.cache, inputs)


def epoch_table(runs: Sequence[Run]) -> pa.Table:
    """A row per run, stage and epoch; a column for every number that some line has, null elsewhere."""
    import pyarrow as pa
    import pyarrow.compute

    logged = [(run, table) for run in runs if len(table := run.log.table)]
    if not logged:
        names = [*RUN, "stage", "epoch"]
        return pa.Table.from_arrays([arrow.texts([])] * len(names), names)
    table = pa.concat_tables([table for _, table in logged], promote_options="default")
    source = np.repeat(np.arange(len(logged)), [len(table) for _, table in logged])
    rows = arrow.integers(source)
    columns = {}
    for name in RUN:
        values = [run.name if name == "run" else getattr(run, name) for run, _ in logged]
        made = arrow.numbers(values, np.int64) if name == "seed" else arrow.texts(values)
        columns[name] = made.take(rows)
    columns |= {name: table.column(name) for name in table.column_names if name not in columns}
    shown = np.array([-1 if run.epoch is None else run.epoch for run, _ in logged])
    columns["shown"] = pyarrow.compute.equal(table["epoch"], arrow.integers(shown[source]))
    return pa.Table.from_arrays(list(columns.values()), list(columns))


def _write(
    make: Callable[[], pa.Table],
    path: Path,
    meanings: Mapping[str, tuple[str, str]],
    cache: Cache,
    inputs: Sequence[str] | None,
) -> None:
    """`<path>.csv` and `<path>.parquet`, unless an earlier summary has written the same.

    Not flushed to the disk: they are large, and what a power cut leaves of them is written anew.

    Args:
        inputs: what the table is made from; None where that is not known.
    """
    csv, parquet = path.with_suffix(".csv"), path.with_suffix(".parquet")
    if inputs is not None and all(cache.is_written(file, inputs) for file in (csv, parquet)):
        return
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    table = make()
    fields = [
        (
            field.with_metadata(dict(zip(("unit", "meaning"), meanings[field.name])))
            if field.name in meanings
            else field
        )
        for field in table.schema
    ]
    table = pa.Table.from_arrays(table.columns, schema=pa.schema(fields))
    for file in (csv, parquet):
        with atomic_path(file, flush=False) as temporary:
            if file is csv:
                pyarrow.csv.write_csv(table, temporary)
            else:
                pyarrow.parquet.write_table(table, temporary, compression="zstd")
            if inputs is not None:
                cache.note_output(file, inputs, temporary)
