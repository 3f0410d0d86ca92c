"""All scores as files for pandas and R: CSV and Parquet in long form, with a table of their columns.

In a CSV an empty cell is a number that is not there, `inf` the distance of a missed or invented structure. In
Parquet the first is null, the second infinity, and every field carries its meaning as metadata.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from mos.files import atomic_path
from mos.report.collect import COLUMNS, Collection
from mos.report.metric import METRICS
from mos.report.run_record import Run
from mos.report.scores import STATES
from mos.report.statistics import BOOTSTRAP_DRAWS

CASES, EPOCHS, COLUMN_TABLE = "cases", "epochs", "columns.csv"
# Lines of metric.jsonl may hold texts and tables too; a run's row in a frame is about numbers.
_RUN_COLUMNS = COLUMNS[: COLUMNS.index("epoch")]
_RUN_MEANINGS = {
    "task": "the program: baseline",
    "dataset": "main dataset without its fold",
    "setting": "dataset and fold: the folder <task>-<setting>",
    "fold": "number of the fold, empty for a dataset that is not split",
    "run": "name of the run's folder; the same in all folds",
    "network": "network",
    "tag": "what stands in [ ] behind the network",
    "dims": "2d or 3d, how it is trained; scores are of whole volumes",
    "aux": "auxiliary datasets joined by commas, or none",
    "postfix": "end of the run's name",
    "seed": "seed of the training",
}
_MEANINGS = {
    **_RUN_MEANINGS,
    "epoch": "the epoch shown: best by validation, the last one of a run without validation",
    "stage": "test, valid, or zeroshot <set>",
    "case": "case id; the same in all runs of a dataset",
    "patient": "patient id; a patient may have several cases",
    "label": "label id",
    "label_name": "its name in the run's dataset",
    "nsd_tolerance": "tolerance of nsd",
    "state": f"what became of the structure: {', '.join(STATES)} (absent: in neither map)",
}
_DESCRIPTION = {
    "count": "finite cases, those described",
    "infinite": "cases left out: a structure was missed or invented",
    "undefined": "cases left out: nothing to score",
    "mean": "mean over the finite cases",
    "sd": "sample standard deviation of the finite cases",
    "standard_error": "sd / sqrt(count)",
    "low": f"lower end of the 95 % interval of the mean ({BOOTSTRAP_DRAWS} bootstraps over patients)",
    "high": "upper end of it",
}
_OVERVIEW = {
    "cases": "cases, folds pooled",
    "patients": "patients, folds pooled",
    "folds": "folds that have scores",
    "in_reference": "structures (a label of a case) in the reference",
    "missed": "of these, not in the prediction",
    "not_in_reference": "structures that the reference has not",
    "invented": "of these, in the prediction",
    "comparable": "whether it has the cases and labels that most rows of its stage have",
}


def write_cases(output: Path, collection: Collection) -> None:
    """`cases.csv` and `cases.parquet`: the rows of the collection, all that the tables were made from."""
    table = pa.Table.from_pandas(collection.rows, preserve_index=False)
    _write(table, output / CASES, {name: (unit, text) for _, name, unit, text in _case_columns()})


def write_epochs(output: Path, runs: Sequence[Run]) -> None:
    """`epochs.csv` and `epochs.parquet`: the numbers of metric.jsonl, one row per run, stage and epoch."""
    table = epoch_table(runs)
    meanings = {name: ("", text) for name, text in _RUN_MEANINGS.items()}
    _write(table, output / EPOCHS, meanings)


def epoch_table(runs: Sequence[Run]) -> pa.Table:
    """A row per run, stage and epoch; a column for every number that some line has, null elsewhere."""
    parts, owners = [], []
    for number, run in enumerate(runs):
        part = run.log.table
        if len(part):
            parts.append(part)
            owners.append((number, len(part)))
    if not parts:
        return pa.table({name: pa.array([], pa.string()) for name in _RUN_COLUMNS})
    table = pa.concat_tables(parts, promote_options="default")
    source = np.repeat(*map(np.array, zip(*owners)))
    columns = {}
    for name in _RUN_COLUMNS:
        kind = pa.int64() if name == "seed" else pa.string()
        values = [run.name if name == "run" else getattr(run, name) for run in runs]
        columns[name] = pa.array(values, kind).take(source)
    columns = {name: table.column(name) for name in table.column_names} | columns
    columns = {name: columns[name] for name in dict.fromkeys([*_RUN_COLUMNS, *columns])}
    shown = np.array([-1 if run.epoch is None else run.epoch for run in runs])
    columns["shown"] = pa.array(table.column("epoch").to_numpy() == shown[source])
    return pa.table(columns)


def write_columns(output: Path, overview: pd.DataFrame) -> None:
    """`columns.csv`: file, column, unit and meaning of every column of the files above and result.csv."""
    known = [*_case_columns(), *_epoch_columns(), *_result_columns(overview.columns)]
    frame = pd.DataFrame(known, columns=["file", "column", "unit", "meaning"])
    with atomic_path(output / COLUMN_TABLE) as temporary:
        frame.to_csv(temporary, index=False)


def _case_columns() -> Iterator[tuple[str, str, str, str]]:
    metrics = {metric.key: (metric.unit, metric.rule) for metric in METRICS}
    for name in COLUMNS:
        unit, text = metrics.get(name) or ("mm" if name == "nsd_tolerance" else "", _MEANINGS[name])
        yield CASES, name, unit, text


def _epoch_columns() -> Iterator[tuple[str, str, str, str]]:
    for name, text in _RUN_MEANINGS.items():
        yield EPOCHS, name, "", text
    yield EPOCHS, "stage", "", "train, valid or test; test lines never choose an epoch"
    yield EPOCHS, "epoch", "", "number of the epoch, from 1; one done again counts once"
    yield EPOCHS, "shown", "", "whether the tables show this epoch's scores"
    yield EPOCHS, "...", "", "every number of metric.jsonl: losses, means of the metrics, seconds"


def _result_columns(names: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    units = {metric.key: metric.unit for metric in METRICS}
    for name in names:
        key = next((key for key in sorted(units, key=len)[::-1] if name.startswith(f"{key}_")), "")
        part = name.removeprefix(f"{key}_")
        if part in _DESCRIPTION and key:
            counts = part in ("count", "infinite", "undefined")
            yield "result", name, "" if counts else units[key], f"{key}: {_DESCRIPTION[part]}"
        else:
            yield "result", name, "", _OVERVIEW.get(name) or _MEANINGS[name]


def _write(table: pa.Table, path: Path, meanings: dict[str, tuple[str, str]]) -> None:
    """`<path>.csv` and `<path>.parquet`."""
    fields = [
        (
            field.with_metadata(dict(zip(("unit", "meaning"), meanings[field.name])))
            if field.name in meanings
            else field
        )
        for field in table.schema
    ]
    table = table.cast(pa.schema(fields)).replace_schema_metadata()
    with atomic_path(path.with_suffix(".parquet")) as temporary:
        pyarrow.parquet.write_table(table, temporary, compression="zstd")
    with atomic_path(path.with_suffix(".csv")) as temporary:
        pyarrow.csv.write_csv(table, temporary)
