"""All scores as files for pandas and R: CSV and Parquet in long form.

In a CSV an empty cell is a number that is not there, `inf` the distance of a missed or invented structure. In
Parquet the first is null, the second infinity, and fields carry their unit and meaning as metadata.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from mos.files import atomic_path
from mos.report.collect import Collection
from mos.report.columns import RUN, case_columns
from mos.report.run_record import Run


def write_cases(output: Path, collection: Collection) -> None:
    """`cases.csv` and `cases.parquet`: the rows of the collection, all that the tables were made from.

    Scores of the shown epochs; what other epochs came to is in `epochs`.
    """
    table = pa.Table.from_pandas(collection.rows, preserve_index=False)
    meanings = {name: (unit, text) for name, unit, text in case_columns(table.column_names)}
    _write(table, output / "cases", meanings)


def write_epochs(output: Path, runs: Sequence[Run]) -> None:
    """`epochs.csv` and `epochs.parquet`: the numbers of metric.jsonl, one row per run, stage and epoch."""
    _write(epoch_table(runs), output / "epochs", {name: ("", text) for name, text in RUN.items()})


def epoch_table(runs: Sequence[Run]) -> pa.Table:
    """A row per run, stage and epoch; a column for every number that some line has, null elsewhere."""
    logged = [(run, table) for run in runs if len(table := run.log.table)]
    if not logged:
        return pa.table({name: pa.array([], pa.string()) for name in (*RUN, "stage", "epoch")})
    table = pa.concat_tables([table for _, table in logged], promote_options="default")
    source = np.repeat(np.arange(len(logged)), [len(table) for _, table in logged])
    columns = {}
    for name in RUN:
        kind = pa.int64() if name == "seed" else pa.string()
        values = [run.name if name == "run" else getattr(run, name) for run, _ in logged]
        columns[name] = pa.array(values, kind).take(source)
    columns |= {name: table.column(name) for name in table.column_names if name not in columns}
    shown = np.array([-1 if run.epoch is None else run.epoch for run, _ in logged])
    columns["shown"] = pa.array(table.column("epoch").to_numpy() == shown[source])
    return pa.table(columns)


def _write(table: pa.Table, path: Path, meanings: Mapping[str, tuple[str, str]]) -> None:
    """`<path>.csv` and `<path>.parquet`."""
    fields = [
        (
            field.with_metadata(dict(zip(("unit", "meaning"), meanings[field.name])))
            if field.name in meanings
            else field
        )
        for field in table.schema
    ]
    table = pa.Table.from_arrays(table.columns, schema=pa.schema(fields))
    with atomic_path(path.with_suffix(".parquet")) as temporary:
        pyarrow.parquet.write_table(table, temporary, compression="zstd")
    with atomic_path(path.with_suffix(".csv")) as temporary:
        pyarrow.csv.write_csv(table, temporary)
