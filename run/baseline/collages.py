"""From options to collages: runs and cases are chosen, predictions fetched, figures written."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mos.errors import BadInput
from mos.files import write_json
from mos.folders import summary_folder
from mos.metrics.table import METRICS, Metric
from mos.report.case_images import case_file
from mos.report.figure_choice import ChosenCase, choose_cases
from mos.report.figure_collage import Contender, Slice, Style, collage, comparison, record
from mos.report.figure_grid import MARGIN, SPACE, Grid, draw, side_width
from mos.report.figure_slices import choose_slices, parse_rule
from run.baseline.contenders import Found, fetch_images, find_contenders, read_scores, same_cases
from run.baseline.plotting_runs import check_shown, look_of

_METRICS = {metric.key: metric for metric in METRICS}


def draw_collages(options: Any) -> None:
    """Draws what the options ask for and prints where it is.

    Args:
        options: `run.baseline.cmd.summary_image.Options`.

    Raises:
        BadInput: no such runs, cases, labels or slices.
    """
    parse_rule(options.slice)
    dataset, found = find_contenders(options.run, options.setting)
    if options.grid and len(found) > options.grid[0] * options.grid[1]:
        raise BadInput(
            f"--grid {options.grid[0]}x{options.grid[1]}: {dataset} has {len(found)} runs; give a larger grid, or "
            "name some with --run"
        )
    written = tuple(_METRICS[key] for key in options.metric if key != "none")
    chosen, problems = _choose(found, options, written)
    contenders, more = _contenders(found, [one.case for one in chosen], options)
    slices = [part for one in chosen for part in _slices(contenders, one, options.slice)]
    if not slices:
        raise BadInput(
            "none of the runs has a picture of the chosen cases: " + "; ".join([*problems, *more])
        )
    style = Style(
        look=look_of(options),
        show=options.show,
        metrics=written,
        percent=options.percent,
        zoom=None if options.zoom < 0 else options.zoom,
        reference=options.reference,
    )
    folder = Path(options.output_folder) if options.output_folder else summary_folder() / "images"
    said = {"dataset": dataset, "score": _score_words(written, options.score_label)}
    for name, grid, shown in _figures(contenders, slices, style, options):
        entries = record(contenders, shown, style)
        path = _save(grid, folder / dataset / name, options)
        caption = _caption(said, shown, style, options)
        write_json(path.with_suffix(".json"), said | {"caption": caption, "slices": entries})
        _tell_outside(path, entries)
        print(path)
    for problem in dict.fromkeys([*problems, *more]):
        print(f"note: {problem}")


def _choose(
    found: Sequence[Found], options: Any, written: Sequence[Metric]
) -> tuple[list[ChosenCase], list[str]]:
    """The cases, by the first metric written, or by dice where none is."""
    by = written[0] if written else _METRICS["dice"]
    keys = list(dict.fromkeys([by.key, *(metric.key for metric in written)]))
    problems = []
    for one in found:
        problems += read_scores(one, options.epoch, keys, options.score_label)
    scores = {str(n): one.scores[by.key] for n, one in enumerate(found) if one.scores.get(by.key)}
    if not scores:
        raise BadInput("no run has test scores to choose cases by: " + "; ".join(problems))
    return choose_cases(scores, options.cases, by.higher_is_better), problems


def _contenders(
    found: Sequence[Found], cases: Sequence[str], options: Any
) -> tuple[list[Contender], list[str]]:
    titles = options.titles or [one.name for one in found]
    contenders, problems = [], []
    for one, title in zip(found, titles, strict=True):
        images, gaps, said = fetch_images(one, cases, options) if one.folders else ({}, {}, [])
        problems += said
        missing = "not among its test cases" if one.folders else f"no run {one.name}"
        if not one.folders:
            problems.append(f"there is no run {one.name}; its place is left empty")
        contenders.append(
            Contender(title=title, images=images, scores=one.scores, gaps=gaps, missing=missing)
        )
    having = [images for run in contenders for images in run.images.values()]
    if having:
        check_shown(min(i.image.shape[0] for i in having), having[0].labels, options)
    others = same_cases([run.images for run in contenders], cases)
    for case, numbers in others.items():
        for number in numbers:
            run = contenders[number]
            kept = {name: images for name, images in run.images.items() if name != case}
            gaps = {**run.gaps, case: "other image or reference"}
            contenders[number] = dataclasses.replace(run, images=kept, gaps=gaps)
            problems.append(
                f"{run.title}: {case} has another image or reference than in the runs before it, so it cannot be "
                "compared"
            )
    return contenders, problems


def _slices(contenders: Sequence[Contender], one: ChosenCase, rule: str) -> list[Slice]:
    own = [run.images[one.case] for run in contenders if one.case in run.images]
    if not own:
        return []
    title = f"{one.rule}\n{one.case}" if one.rule else one.case
    return [Slice(case=one.case, index=i, title=title) for i in choose_slices(own, rule)]


def _figures(
    contenders: Sequence[Contender], slices: Sequence[Slice], style: Style, options: Any
) -> list[tuple[str, Grid, list[Slice]]]:
    """Name, figure and what it shows."""
    if not options.grid:
        name = options.name or "comparison"
        return [(name, comparison(contenders, slices, style), list(slices))]
    rows, columns = options.grid
    folder = options.name or f"{rows}x{columns}"
    return [
        (
            f"{folder}/{case_file(Path(), one.case).stem}-{one.index + 1:03d}",
            collage(contenders, one, options.grid, style),
            [one],
        )
        for one in slices
    ]


def _save(grid: Grid, stem: Path, options: Any) -> Path:
    """Writes a figure in every format; returns the first."""
    columns = max(map(len, grid.cells))
    used = 2 * MARGIN + (columns - 1) * SPACE + side_width(grid.rows)
    tile = (options.width_mm - used) / columns
    if tile < 4:
        raise BadInput(
            f"--width_mm {options.width_mm:g}: {columns} columns would be {max(tile, 0):.1f} mm wide each; give "
            "more width or fewer columns"
        )
    page = draw(grid, tile, options.dpi)
    # Not with_suffix: a name may have a point in it.
    paths = [stem.with_name(f"{stem.name}.{form}") for form in dict.fromkeys(options.formats)]
    for path in paths:
        page.save(path)
    return paths[0]


def _score_words(written: Sequence[Metric], label: str) -> str:
    if not written:
        return ""
    of = f"of label {label}" if label else "mean over the scored labels"
    return f"{', '.join(metric.header for metric in written)} of the whole case, {of}"


_WHAT = {
    "error": "error maps over the image",
    "prediction": "predictions over the image",
    "labels": "predicted labels",
}
_WHICH_SLICE = {
    "largest": "the slice with most reference voxels",
    "middle": "the middle slice of the reference",
    "error": "the slice with most wrong voxels over all runs",
    "disagreement": "the slice where the runs disagree in most voxels",
}


def _caption(said: dict[str, str], shown: Sequence[Slice], style: Style, options: Any) -> str:
    """A caption that says what is shown and how it was chosen."""
    name, number = parse_rule(options.slice)
    several = f"the middle of each of {number} equal parts of the reference"
    which = {"spread": several, "at": f"slice {number}"}.get(name) or _WHICH_SLICE[name]
    cases = list(dict.fromkeys(one.title.replace("\n", ": ") for one in shown))
    epoch = "best epoch by validation" if options.epoch == "best" else f"epoch {options.epoch}"
    parts = [
        f"Test cases of {said['dataset']} ({'; '.join(cases)}): {_WHAT[options.show]}, {epoch} of each run.",
        f"Shown is {which}, the same for all runs.",
    ]
    if said["score"]:
        parts.append(f"Written on each picture: {said['score']}; the best of the case is bold.")
    if style.zoom is not None:
        parts.append("Cut out around the reference; errors farther away lie outside the pictures.")
    return " ".join(parts)


def _tell_outside(path: Path, entries: Sequence[dict[str, Any]]) -> None:
    outside = sum(run.get("wrong_voxels_outside", 0) for one in entries for run in one["runs"])
    if outside:
        print(
            f"note: {outside} wrong voxels of these slices lie outside the frames of {path.name} (its .json says of "
            "which runs); a larger --zoom, or -1, shows them"
        )
