"""All scores as files for pandas and R: CSV and Parquet in long form.

In a CSV an empty cell is a number that is not there, `inf` the distance of a missed or invented structure. In
Parquet the first is null, the second infinity, and fields carry their unit and meaning as metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mos.files import atomic_path
from mos.report import outputs
from mos.report.cache import Cache
from mos.report.cache_key import digest
from mos.report.collection import Collection, columns_of
from mos.report.columns import case_columns

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
    inputs = collection.inputs()
    made_from = digest(inputs) if inputs else None
    _write(table, output / "cases", meanings, collection.cache, made_from)


def _write(
    make: Callable[[], pa.Table],
    path: Path,
    meanings: Mapping[str, tuple[str, str]],
    cache: Cache,
    made_from: str | None,
) -> None:
    """`<path>.csv` and `<path>.parquet`, unless an earlier summary has written the same.

    Not flushed to the disk: they are large, and what a power cut leaves of them is written anew.

    Args:
        made_from: a digest of what the table is made from; None where that is not known.
    """
    csv, parquet = path.with_suffix(".csv"), path.with_suffix(".parquet")
    if made_from and all(outputs.is_written(cache, file, made_from) for file in (csv, parquet)):
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
            if made_from:
                outputs.note_output(cache, file, made_from, temporary)
