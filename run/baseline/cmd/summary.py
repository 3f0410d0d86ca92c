"""Writes the report of all runs: one HTML page, two CSV files, one JSON file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import mos
from mos import folders
from mos.arguments import option, parse
from mos.errors import BadInput, run_main

DESCRIPTION = (
    "Reads the result folders of all runs (nothing in them is changed) and writes a report: "
    "result.html, tables, learning curves and details of the runs in one page that opens from disk; "
    "result.csv, one row per run, dataset and stage, folds pooled by case; "
    "cases.csv, every score, one row per run, fold, stage, case and label; "
    "result.json, the tables, the runs and the warnings as data; "
    "zeroshot.csv, where there are zero-shot scores, each beside the run's own test. "
    "The epoch shown is the best by validation; test scores never choose it."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where to read and where to write."""

    checkpoint_folder: str = option(
        "",
        "folder holding <task>-<setting>/<run>/; empty: .checkpoint, or what MOS_CHECKPOINT names",
    )
    output_folder: str = option("", "where to write; empty: summary in the checkpoint folder")
    task: str = option("baseline", "whose runs to report: those in <task>-*/")
    image_budget: float = option(
        30.0,
        "MiB of the page for images of cases (made by cmd/plot-test): worst, median and best case first; 0: none",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Collects, prints the overview, writes the four files.

    Raises:
        BadInput: no run is found, or the output folder cannot be written to.
    """
    options = parse(
        Options, argv, prog=".scripts/baseline/cmd/summary", description=DESCRIPTION
    ).options
    root = Path(options.checkpoint_folder or folders.checkpoint_root()).absolute()
    if options.output_folder:
        output = Path(options.output_folder).absolute()
    elif options.checkpoint_folder:
        output = root / folders.summary_folder().name
    else:
        output = folders.summary_folder().absolute()

    # pandas and jinja2 are slow to import, and --help needs neither.
    from mos.files import write_json, write_text
    from mos.report import export, page, table
    from mos.report.analysis import analyse
    from mos.report.collect import collect
    from mos.report.data import as_data
    from mos.report.page_images import choose_pictures
    from mos.report.zeroshot import zeroshot_lines

    collection = collect(root, options.task)
    if not collection.runs:
        raise BadInput(
            f"no run of the task {options.task!r} in {root}: looked for {options.task}-*/*/run.json. "
            f"Train one first, for instance with .scripts/{options.task}/unet-2d-none, or name another "
            "folder with --checkpoint_folder"
        )
    overview = table.overview(collection)
    labels, folds = table.per_label(collection), table.per_fold(collection)
    now = datetime.now().astimezone()
    foreign = zeroshot_lines(collection)
    shown = collection, overview, labels, folds, foreign
    analysis = analyse(collection)
    pictures = choose_pictures(collection, options.image_budget)
    text = page.render(
        *shown, created=now, version=mos.__version__, analysis=analysis, pictures=pictures
    )
    data = as_data(*shown, created=now, version=mos.__version__)
    frame = export.overview_frame(overview)
    write_text(output / "result.csv", frame.to_csv(index=False))
    write_text(output / "cases.csv", collection.rows.to_csv(index=False))
    if foreign:
        write_text(output / "zeroshot.csv", export.zeroshot_frame(foreign).to_csv(index=False))
    write_json(output / "result.json", data)
    write_text(output / "result.html", text)

    print(export.overview_text(overview))
    print()
    if foreign:
        print(export.zeroshot_text(foreign))
        print()
    if collection.notices:
        print(f"warnings, listed in the page: {len(collection.notices)}")
    print(output / "result.html")


if __name__ == "__main__":
    run_main(main)
