"""Learning curves as the numbers of an SVG picture; templates/curve.html.j2 draws them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mos.report.metric import Metric, of_points
from mos.report.run_record import Run

WIDTH, HEIGHT = 300, 185
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 22, 32


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line: `path` is the d of an SVG path, `dots` points that have no neighbour."""

    name: str
    color: int  # index of a fold, a class of the style sheet
    dashed: bool
    path: str
    dots: tuple[tuple[float, float], ...]
    mark: tuple[float, float, str] | None  # x, y, text: the epoch whose scores are shown


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture: ticks are (position, text) in the picture's own units."""

    title: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    series: tuple[Series, ...]


def panels(runs: Sequence[Run], metric: Metric, ends: tuple[float, float]) -> list[Panel]:
    """A run's folds over epochs: cross-entropy, or the loss, and the validation score.

    Training steps on several terms; of these only the cross-entropy, `ce_loss`, is also measured in
    validation, so only it is drawn beside the validation's (training solid, validation dashed).
    Where the lines of a fold do not name it, the panel is the loss of training alone.

    Args:
        metric: the score that picks an epoch.
        ends: of its axis, shared by the runs of a dataset so they compare: see `score_ends`.
    """
    folds = list(enumerate(runs))
    shared = [(run, _cross_entropy_key(run)) for run in runs if run.log.get("train")]
    if of_points([metric]):  # training and validation measure the same loss
        loss = [(i, run, stage, "loss") for i, run in folds for stage in ("train", "valid")]
        lines = _panel("loss", loss, None)
    elif shared and all(key is not None for _, key in shared):
        loss = [(i, run, "train", "ce_loss") for i, run in folds]
        loss += [(i, run, "valid", _cross_entropy_key(run)) for i, run in folds]
        lines = _panel("cross-entropy", loss, None)
    else:
        lines = _panel("training loss", [(i, run, "train", "loss") for i, run in folds], None)
    title = f"validation {f'{metric.title} ({metric.unit})' if metric.unit else metric.key}"
    scores = _panel(title, [(i, run, "valid", metric.key) for i, run in folds], ends)
    return [panel for panel in (lines, scores) if panel is not None]


def _cross_entropy_key(run: Run) -> str | None:
    """What validation calls the `ce_loss` of training; None where training does not name it.

    Validation scores whole volumes and measures the cross-entropy alone: that is its `loss`, unless
    its lines name the terms of a sum as those of training do.
    """
    if not _points(run, "train", "ce_loss"):
        return None
    validated = [line for line in run.log.get("valid", {}).values() if "loss" in line]
    named = any(key.endswith("_loss") for key in set().union(*validated))
    return "ce_loss" if named or not validated else "loss"


def score_ends(runs: Sequence[Run], metric: Metric) -> tuple[float, float]:
    """Ends of an axis for all validation scores of `runs` but those of the first tenth of epochs.

    Of a share a round number below the lowest, and 1; of a distance 0 and the highest.
    """
    values: list[float] = []
    for run in runs:
        # Of the log's head: one changed run of hundreds must not open the lines of all.
        scores = [float(y) for _, y in sorted(run.log.validated(metric.key).items())]
        values += scores[_skipped(scores) :]
    if metric.unit:
        return 0.0, max(values, default=1.0)
    return max(0.0, math.floor(min(values, default=0.0) * 10 - 0.5) / 10), 1.0


def _skipped(points: Sequence) -> int:
    """How many epochs are the first tenth, which may leave the axis: at least one, of four or more."""
    return max(1, len(points) // 10) if len(points) > 3 else 0


def _points(run: Run, stage: str, key: str) -> list[tuple[int, float]]:
    lines = run.log.get(stage, {})
    points = [(epoch, lines[epoch].get(key)) for epoch in sorted(lines)]
    return [(epoch, float(y)) for epoch, y in points if isinstance(y, int | float)]


def _panel(title: str, wanted: list, y_range: tuple[float, float] | None) -> Panel | None:
    found = [(i, run, stage, key, _points(run, stage, key)) for i, run, stage, key in wanted]
    found = [entry for entry in found if entry[-1]]
    if not found:
        return None
    epochs = [epoch for *_, points in found for epoch, _ in points]
    values = [y for *_, points in found for _, y in points]
    # The first epochs of a loss can be so high that they flatten all that follows.
    settled = [y for *_, points in found for _, y in points[_skipped(points) :]]
    low, high = y_range or (min(0.0, *values), max(settled))
    ticks = round_ticks(low, high, 4)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    first, last = min(epochs), max(max(epochs), min(epochs) + 1)

    def place(epoch: float, y: float) -> tuple[float, float]:
        share = (min(max(y, low), high) - low) / (high - low)
        x = LEFT + (epoch - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    series = []
    for i, run, stage, key, points in found:
        placed = [place(*point) for point in points]
        steps = [b - a for (a, _), (b, _) in zip(points, points[1:])]
        loss = key.endswith("loss")
        marked = [place(*point) for point in points if point[0] == run.epoch and not loss]
        series.append(
            Series(
                name=f"{'fold ' + run.fold if run.fold else run.setting}, {stage}",
                color=i % 5,
                dashed=loss and stage == "valid",
                path="M" + " L".join(f"{x} {y}" for x, y in placed),
                dots=tuple(placed) if not steps else (),
                mark=(
                    (*marked[0], f"epoch {run.epoch}: {dict(points)[run.epoch]:.4f}")
                    if marked
                    else None
                ),
            )
        )
    whole = [tick for tick in round_ticks(first, last, 6) if tick == int(tick)]
    return Panel(
        title=title,
        x_ticks=tuple((place(t, low)[0], f"{t:.0f}") for t in whole if first <= t <= last),
        y_ticks=tuple((place(first, t)[1], f"{t:g}") for t in ticks),
        series=tuple(series),
    )


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) covering low to high."""
    if not high > low:
        high = low + 1.0
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]
