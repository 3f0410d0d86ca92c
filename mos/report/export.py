"""The tables outside the page: frames for the CSV files, text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mos.report.cost import Costs
from mos.report.metric import METRICS, Metric, of_points
from mos.report.table import Line
from mos.report.zeroshot import ZeroShotLine

if TYPE_CHECKING:
    import pandas as pd


def overview_frame(
    lines: Sequence[Line], metrics: Sequence[Metric] = METRICS, costs: Costs | None = None
) -> pd.DataFrame:
    """The overview as result.csv has it: one row per line, plain numbers, nan for none.

    Args:
        costs: of the runs; with them a row has what the network of its run costs.
    """
    records = []
    points = of_points(metrics)
    described = "count infinite undefined mean sd standard_error low high".split()
    for line in lines:
        record = {
            key: getattr(line, key)
            for key in "dataset stage run network tag dims aux postfix cases patients".split()
        }
        record |= {"folds": " ".join(line.folds)}
        if points:
            record |= {"points": line.in_reference, "masked": line.not_in_reference}
        else:
            record |= {"in_reference": line.in_reference, "missed": line.missed}
            record |= {"not_in_reference": line.not_in_reference, "invented": line.invented}
        record |= {"comparable": line.comparable}
        for metric in metrics:
            about = line.metrics.get(metric.key)
            for part in [*described, *(["median"] if points else [])]:
                value = getattr(about, part) if about else None
                record[f"{metric.key}_{part}"] = value
        if costs is not None:
            about = costs[line.dataset, line.run]
            record["parameters"] = about.parameters
            record["samples_per_second"] = about.samples_per_second
        records.append(record)
    return frame_of(records)


def frame_of(records: Sequence[dict], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A frame of `records`; `columns` are its own where there are none, or in this order."""
    import pandas as pd  # slow to import, and often every table is remembered

    return pd.DataFrame(records, columns=columns)


def csv_text(frame: pd.DataFrame) -> str:
    """A frame as CSV; "" where it has no rows, and is to have no file."""
    return frame.to_csv(index=False) if len(frame) else ""


def overview_text(lines: Sequence[Line], every: Sequence[Metric] = METRICS) -> str:
    """The overview for a terminal: one block per dataset and stage; `*` marks the best of a column."""
    blocks = []
    for dataset, stage in dict.fromkeys((line.dataset, line.stage) for line in lines):
        mine = [line for line in lines if (line.dataset, line.stage) == (dataset, stage)]
        metrics = present(mine, every)
        counted = ("points", "masked") if of_points(every) else ("missed", "invented")
        table = [["run", *(m.header for m in metrics), *counted, "cases", "folds"]]
        for line in mine:
            cells = [mean_sd_text(line, metric) for metric in metrics]
            counts = [line.missed, line.invented, line.cases, len(line.folds)]
            if of_points(every):
                counts[:2] = line.in_reference, line.not_in_reference
            table.append([line.run, *cells, *(str(count) for count in counts)])
        blocks.append(_aligned(f"{dataset}, {stage}", table))
    return "\n\n".join(blocks)


def zeroshot_frame(lines: Sequence[ZeroShotLine]) -> pd.DataFrame:
    """zeroshot.csv: one row per run and set, plain numbers, nan for none; differences are set - test."""
    records = []
    for line in lines:
        record = {key: getattr(line, key) for key in ("dataset", "set", "run")}
        record |= {"labels": ", ".join(line.labels), "folds": " ".join(line.folds)}
        counts = "cases patients home_cases home_patients missed invented".split()
        record |= {key: getattr(line, key) for key in counts}
        for key, gap in line.metrics.items():
            record[f"{key}_set"], record[f"{key}_test"] = gap.there.mean, gap.home.mean
            record[f"{key}_set_left_out"] = gap.there.left_out
            record[f"{key}_test_left_out"] = gap.home.left_out
            parts = {"difference": gap.difference, "low": gap.low, "high": gap.high}
            record |= {f"{key}_{part}": value for part, value in parts.items()}
        records.append(record)
    return frame_of(records)


def zeroshot_text(lines: Sequence[ZeroShotLine]) -> str:
    """For a terminal: dice on each set, in the own test, and their difference with its interval."""
    table = [["run", "set", "dice there", "own test", "difference", "95 % interval", "cases"]]
    for line in lines:
        gap = line.metrics["dice"]
        numbers = (gap.there.mean, gap.home.mean, gap.difference)
        shown = [f"{n:.3f}" if math.isfinite(n) else "-" for n in numbers]
        interval = f"{gap.low:.3f} to {gap.high:.3f}" if math.isfinite(gap.low) else "-"
        table.append([f"{line.dataset} {line.run}", line.set, *shown, interval, str(line.cases)])
    return _aligned("zero-shot beside the own test, over the same labels", table)


def present(lines: Sequence[Line], metrics: Sequence[Metric] = METRICS) -> list[Metric]:
    """Those of `metrics` that some line has values of: files from before a metric have none."""
    return [
        metric
        for metric in metrics
        if any(
            metric.key in line.metrics
            and line.metrics[metric.key].count + line.metrics[metric.key].infinite
            for line in lines
        )
    ] or list(metrics[:1])


def _aligned(title: str, table: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table)]
    text = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in table
    ]
    return "\n".join([title, *text])


def mean_sd_text(line: Line, metric: Metric) -> str:
    """`0.897 ± 0.041 (-1)*`: mean and sd of the finite cases, cases left out, best of its column."""
    about = line.metrics.get(metric.key)
    if about is None or not about.count:
        return "-"
    text = f"{about.mean:.{metric.digits}f}"
    text += f" ± {about.sd:.{metric.digits}f}" if math.isfinite(about.sd) else ""
    text += f" (-{about.left_out})" if about.left_out else ""
    return text + ("*" if metric.key in line.best else "")
