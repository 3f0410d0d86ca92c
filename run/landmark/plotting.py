"""The test cases of stored runs with the points that were predicted when they were scored, and their figures."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from mos.data.landmark_bundle import LandmarkBundle
from mos.data.points import to_stored
from mos.engine.checkpoint import load_table
from mos.engine.each_run import each_run
from mos.engine.progress import progress
from mos.engine.record import read_record
from mos.errors import BadInput
from mos.files import sweep_temporaries
from mos.folders import BEST, epoch_folder, epoch_number, metric_file
from mos.report.figure_case import FOLDER as FIGURES
from mos.report.figure_points import PointPlan, write_point_figures
from mos.report.named_runs import named_runs
from mos.report.point_images import FOLDER, PointImages, write_point_images
from run.landmark.model_arguments import TASK
from run.landmark.stored import open_dataset


def plot_runs(options: Any) -> list[str]:
    """Stores images and points and draws figures; a run that cannot be drawn stops no other.

    Args:
        options: `run.landmark.cmd.plot_test.Options`.

    Returns:
        What is wrong with runs that were asked for.

    Raises:
        BadInput: no such run.
    """

    def plot(run: Path, name: str) -> None:
        epoch = scored_epoch(run, options.epoch)
        paths = store_points(run, epoch, options.cases or None)
        print(f"{name} epoch {epoch_number(epoch)}: {len(paths)} test cases", flush=True)
        if options.figures:
            _draw(run, epoch, paths, options)

    runs = named_runs(TASK, options.run, options.setting, example="unet-512")
    return each_run(runs, plot, named=bool(options.run or options.setting))


def scored_epoch(run: Path, wanted: str) -> Path:
    """The folder of an epoch with test scores: `best`, `latest` or a number.

    Raises:
        BadInput: it has none.
    """
    folder = epoch_folder(run, int(wanted)) if wanted.isdecimal() else (run / wanted).resolve()
    if not metric_file(folder, "test").exists():
        raise BadInput(f"--epoch {wanted}: {run} has no test scores of it")
    return folder


def store_points(run: Path, epoch: Path, cases: Collection[str] | None = None) -> list[Path]:
    """Writes a file of `mos.report.point_images` for each test case of an epoch; returns their paths.

    The points are those that were scored, so no network is needed: they are in the metric file.

    Args:
        cases: ids; None: all of the test set.

    Raises:
        BadInput: no test cases, an unknown case, scores without points, or a dataset file that has changed.
    """
    record = read_record(run)
    table = load_table(metric_file(epoch, "test"))
    if "predicted" not in table or "raw_mre" not in table:
        raise BadInput(
            f"{metric_file(epoch, 'test')}: holds no predicted points; was it written by a landmark run?"
        )
    listed = [str(case) for case in table["case"]]
    if not listed:
        raise BadInput(f"{run}: its dataset has no test cases to show")
    if unknown := sorted(set(cases or ()) - set(listed)):
        shown = ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")
        raise BadInput(f"case {unknown[0]!r}: is no test case of {run}; those are {shown}")
    bundle = open_dataset(run, record)
    rows = {case.id: row for row, case in enumerate(bundle.cases["test"])}
    sweep_temporaries(epoch / FOLDER)
    paths = []
    for number, name in enumerate(listed):
        if cases is not None and name not in cases:
            continue
        points = np.asarray(table["predicted"][number], dtype=np.float64)
        error = np.asarray(table["raw_mre"][number], dtype=np.float64)
        images = _images(bundle, rows[name], points, error, run, epoch)
        paths.append(write_point_images(epoch, images))
    return paths


def _images(
    bundle: LandmarkBundle,
    row: int,
    predicted: np.ndarray,
    error: np.ndarray,
    run: Path,
    epoch: Path,
) -> PointImages:
    """A case as it is stored, without what fills its image up.

    Args:
        predicted: (point_count, [xy]) in pixels of the original image.
        error: (point_count,) mm.
    """
    case = bundle.cases["test"][row]
    h, w = case.content
    found = to_stored(predicted, np.array(case.factor), np.array(case.offset))
    return PointImages(
        case=case.id,
        patient=case.patient,
        image=np.ascontiguousarray(bundle.images["test"][row, :, :h, :w].numpy()),
        reference=bundle.points["test"][row].numpy().astype(np.float32),
        prediction=found.astype(np.float32),
        error=error,
        scale=tuple(map(float, bundle.scale["test"][row])),
        names=bundle.names,
        run=run.resolve().name,
        setting=run.resolve().parent.name.removeprefix(f"{TASK}-"),
        epoch=epoch_number(epoch),
    )


def _draw(run: Path, epoch: Path, paths: list[Path], options: Any) -> None:
    plan = PointPlan(
        palette=options.colours,
        names=options.names,
        channel=options.channel,
        case_mm=options.case_mm,
        sheet_mm=options.sheet_mm,
        sheet_columns=options.sheet_columns,
        sheet_cases=options.sheet_cases,
        dpi=options.dpi,
        formats=tuple(dict.fromkeys(options.formats)),
    )
    best = (run / BEST).resolve() == epoch.resolve()
    by = "best by validation" if best and metric_file(epoch, "valid").exists() else ""
    sheets = -(-len(paths) // plan.sheet_cases)
    total = (len(paths) + sheets) * len(plan.formats)
    written = write_point_figures(paths, epoch / FIGURES, plan, by)
    count = sum(1 for _ in progress(written, total=total, title="draw"))
    print(f"{count} figures in {epoch / FIGURES}")
