"""What `cmd/summary` of every task does: one HTML page, and all its numbers as CSV, Parquet and JSON."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import mos
from mos import folders
from mos.arguments import option
from mos.errors import BadInput
from mos.report import latex_options
from mos.report.latex_options import LatexOptions

DESCRIPTION = (
    "Reads the result folders of all runs (nothing in them is changed) and writes a report: "
    "result.html, tables, learning curves and details of the runs in one page that opens from disk; "
    "result.csv, one row per run, dataset and stage, folds pooled by case; "
    "cases.csv and .parquet, every score, one row per run, fold, stage, case and label; "
    "epochs.csv and .parquet, the numbers of metric.jsonl, one row per run, stage and epoch; "
    "comparisons.csv and ranking.csv, where there are several runs; seeds.csv, where seeds differ; "
    "zeroshot.csv, where there are zero-shot scores, each beside the run's own test; "
    "cost.csv, parameters, time and memory of every training; "
    "columns.csv, what every column means; "
    "latex/, the tables of a paper, and tables.tex, which shows them all; "
    "result.json, the tables, rankings, runs and warnings as data. "
    "The epoch shown is the best by validation; test scores never choose it."
)


@dataclass(frozen=True, kw_only=True)
class _Places:
    """Where to read and where to write."""

    checkpoint_folder: str = option(
        "",
        "folder holding <task>-<setting>/<run>/; empty: .checkpoint, or what MOS_CHECKPOINT names",
    )
    output_folder: str = option("", "where to write; empty: summary in the checkpoint folder")
    use_cache: bool = option(
        True,
        "keep what was read in .cache of the output folder, so that the next summary reads only what "
        "changed; the report is the same without, and the folder may be deleted at any time",
    )
    image_budget: float = option(
        30.0,
        "MiB of the page for images of cases (made by cmd/plot-test): worst, median and best case first; 0: none",
    )


@dataclass(frozen=True, kw_only=True)
class ReportOptions(LatexOptions, _Places):
    """The report, and how the LaTeX tables in it look."""


def write_report(options: ReportOptions, task: str, *, example: str, folder: str = "") -> None:
    """Collects the runs of a task, prints the overview, writes the files.

    Args:
        example: a launcher that trains a run, for those who have none.
        folder: below the summary folder, of a report that is not of the first task.

    Raises:
        BadInput: no run is found, or the output folder cannot be written to.
    """
    latex_options.read_metrics(options.latex_metrics, task)  # a slip is told before the work
    root = Path(options.checkpoint_folder or folders.checkpoint_root()).absolute()
    if options.output_folder:
        output = Path(options.output_folder).absolute()
    elif options.checkpoint_folder:
        output = root / folders.summary_folder().name / folder
    else:
        output = folders.summary_folder().absolute() / folder

    # numpy and jinja2 are slow to import, and --help needs neither.
    from mos.report import cache, epoch_files, export, export_analysis, long_form, page, table
    from mos.report.analysis import analyse
    from mos.report.collect import collect
    from mos.report.collection import columns_of
    from mos.report.columns import column_frame
    from mos.report.cache_key import digest
    from mos.report.cost import cost_csv, costs_of
    from mos.report.data import as_text
    from mos.report.lazy import Lazy
    from mos.report.page_images import choose_pictures
    from mos.report.latex import Lines
    from mos.report.zeroshot import zeroshot_lines

    kept = cache.Cache(output / cache.FOLDER if options.use_cache else None, scope=f"{root} {task}")
    collection = collect(root, task, kept)
    if not collection.runs:
        raise BadInput(
            f"no run of the task {task!r} in {root}: looked for {task}-*/*/run.json. Train one first, for "
            f"instance with {example}, or name another folder with --checkpoint_folder"
        )
    style = latex_options.style_of(options, collection)
    # The large files are written by code outside the interpreter, so the second core can do it.
    with ThreadPoolExecutor(1) as pool:
        long = [
            pool.submit(long_form.write_cases, output, collection),
            pool.submit(epoch_files.write_epochs, output, collection.runs, kept),
        ]
        kept.keep(table.packs(collection))
        overview, labels, folds = (
            Lazy(partial(make, collection))
            for make in (table.overview, table.per_label, table.per_fold)
        )
        foreign = zeroshot_lines(collection)
        analysis = analyse(collection)
        shown = collection, overview, labels, folds, foreign
        about = {"created": datetime.now().astimezone(), "version": mos.__version__}
        pictures = choose_pictures(collection, options.image_budget)
        costs = costs_of(collection)
        text = page.render(*shown, **about, costs=costs, analysis=analysis, pictures=pictures)
        data = as_text(*shown, **about, analysis=analysis)
        for one in long:
            one.result()
    spent = digest([repr(costs)])  # besides scores, result.csv shows these
    frames = {
        "result.csv": lambda: export.overview_frame(overview, collection.metrics, costs),
        "columns.csv": lambda: column_frame(frames["result.csv"]().columns, columns_of(task)),
        "zeroshot.csv": lambda: export.zeroshot_frame(foreign),
        **export_analysis.frames(analysis),
    }
    for name, frame in frames.items():
        what = f"csv {name} {spent}" if name == "result.csv" else f"csv {name}"
        made = collection.remembered_text(what, lambda: export.csv_text(frame()))
        _write_if_new(output / name, made)
    _write_if_new(output / "cost.csv", cost_csv(costs))
    _write_if_new(output / "result.json", data)
    _write_if_new(output / "result.html", text)
    lines = Lines(
        overview=overview,
        labels=labels,
        folds=folds,
        zeroshot=foreign,
        analysis=analysis,
        costs=costs,
    )
    tables = latex_options.write(output, collection, lines, style)
    said = collection.remembered_text(
        "overview text", lambda: export.overview_text(overview, collection.metrics)
    )
    if trouble := kept.save():
        print(f"note: {trouble}", file=sys.stderr)

    print(said)
    print()
    if foreign:
        print(export.zeroshot_text(foreign))
        print()
    if ranked := export_analysis.analysis_text(analysis, collection.metrics[0].key):
        print(ranked)
        print()
    if collection.notices:
        print(f"warnings, listed in the page: {len(collection.notices)}")
    print(tables)
    print(output / "result.html")


def _write_if_new(path: Path, text: str) -> None:
    """Writes a text unless the file has it already; without one there is no file, nor an earlier one."""
    from mos.files import write_text

    if not text:
        path.unlink(missing_ok=True)
    elif not (path.is_file() and path.read_bytes() == text.encode()):  # flushing takes its time
        write_text(path, text)
