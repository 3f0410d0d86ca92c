"""Drawing the test cases of many runs: predictions where they are missing, then figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mos.engine.each_run import each_run
from mos.engine.progress import progress
from mos.errors import BadInput
from mos.folders import BEST, epoch_number, metric_file
from mos.metrics.table import METRICS
from mos.report.case_images import load_case_images
from mos.report.figure_case import FOLDER, Plan, write_figures
from mos.report.figure_tile import Look
from mos.report.rows import BrokenFile, read_metric_file
from run.baseline.found_runs import find_runs
from run.baseline.plotting import Stored, store_images
from run.baseline.stored import open_stored

_IN_TITLES = ("dice", "hd")


def plot_runs(options: Any) -> list[str]:
    """Stores predictions and draws figures; a run that cannot be drawn stops no other.

    Args:
        options: `run.baseline.cmd.plot_test.Options`.

    Returns:
        What is wrong with runs that were asked for.

    Raises:
        BadInput: no such run.
    """

    def plot(run: Path, name: str) -> None:
        stored = store_images(run, options, options.cases or None)
        _tell(name, stored)
        if options.figures:
            _draw(stored, options)

    runs = find_runs(options.run, options.setting)
    return each_run(runs, plot, named=bool(options.run or options.setting))


def look_of(options: Any) -> Look:
    """How figures look, by the options every figure command has."""
    return Look(
        palette=options.colours,
        outline=options.outline,
        opacity=options.opacity,
        channel=options.channel,
        labels=options.labels or None,
    )


def _draw(stored: Stored, options: Any) -> None:
    first = load_case_images(next(iter(stored.paths.values())))
    check_shown(first.image.shape[0], first.labels, options)
    plan = Plan(
        look=look_of(options),
        slices=options.slices,
        sheet_cases=options.sheet_cases,
        tile_mm=options.tile_mm,
        dpi=options.dpi,
        formats=tuple(dict.fromkeys(options.formats)),
    )
    folder = stored.epoch / FOLDER
    names = open_stored(stored.run).labels.names
    paths = list(stored.paths.values())
    best = (stored.run / BEST).resolve() == stored.epoch.resolve()
    by = "best by validation" if best and metric_file(stored.epoch, "valid").exists() else ""
    written = write_figures(paths, folder, plan, score_lines(stored.epoch, names), by)
    sheets = -(-len(paths) // plan.sheet_cases) * 7
    total = (len(paths) + sheets) * len(plan.formats)
    count = sum(1 for _ in progress(written, total=total, title="draw"))
    print(f"{count} figures in {folder}")


def check_shown(channels: int, labels: Mapping[int, str], options: Any) -> None:
    """Raises BadInput for a channel or label that the images do not have."""
    if options.channel >= channels:
        raise BadInput(f"--channel {options.channel}: the images have channels 0 to {channels - 1}")
    unknown = [label for label in options.labels if label not in labels]
    if unknown:
        known = ", ".join(f"{label} {name}" for label, name in labels.items() if label)
        raise BadInput(f"--labels: there is no label {unknown[0]}; the run has {known}")


def score_lines(epoch: Path, names: Mapping[int, str]) -> dict[str, str]:
    """By case, its stored scores as a line: `anterior Dice 0.872, HD95 1.41 mm; posterior ...`."""
    path = metric_file(epoch, "test")
    if not path.exists():
        return {}
    try:
        frame, _ = read_metric_file(path, dict(names))
    except BrokenFile as error:
        print(f"note: {path}: {error}; the figures carry no scores")
        return {}
    lines: dict[str, list[str]] = {}
    metrics = [metric for metric in METRICS if metric.key in _IN_TITLES]
    for row in frame.to_dict("records"):
        if row["state"] in ("scored", "missed", "invented"):
            state = "" if row["state"] == "scored" else f" ({row['state']})"
            values = ", ".join(
                f"{m.title} {row[m.key]:.{m.digits}f}{' ' + m.unit if m.unit else ''}"
                for m in metrics
            )
            lines.setdefault(row["case"], []).append(f"{row['label_name']}{state}: {values}")
    return {case: ";  ".join(parts) for case, parts in lines.items()}


def _tell(name: str, stored: Stored) -> None:
    epoch = epoch_number(stored.epoch)
    kept = len(stored.paths) - stored.made
    print(f"{name} epoch {epoch}: {stored.made} cases predicted, {kept} were there", flush=True)
    if stored.unscored:
        print("note: the epoch has no stored test scores to hold the predictions against")
    if stored.differing:
        case, voxels = max(stored.differing.items(), key=lambda item: item[1])
        print(
            f"note: {len(stored.differing)} of {stored.made} predictions are not voxel for voxel what was scored "
            f"(at most {voxels} voxels, in {case}): the scores were made on another device or in another precision"
        )
