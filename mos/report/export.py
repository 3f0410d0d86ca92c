"""The overview outside the page: a frame for result.csv, text for a terminal."""

import math
from collections.abc import Sequence

import pandas as pd

from mos.report.metric import METRICS, Metric
from mos.report.table import Line


def overview_frame(lines: Sequence[Line]) -> pd.DataFrame:
    """The overview as result.csv has it: one row per line, plain numbers, nan for none."""
    records = []
    for line in lines:
        record = {
            key: getattr(line, key)
            for key in "dataset stage run network tag dims aux postfix cases patients".split()
        }
        record |= {"folds": " ".join(line.folds), "in_reference": line.in_reference}
        record |= {"missed": line.missed, "not_in_reference": line.not_in_reference}
        record |= {"invented": line.invented, "comparable": line.comparable}
        for metric in METRICS:
            about = line.metrics.get(metric.key)
            for part in "count infinite undefined mean sd standard_error low high".split():
                value = getattr(about, part) if about else None
                record[f"{metric.key}_{part}"] = value
        records.append(record)
    return pd.DataFrame(records)


def overview_text(lines: Sequence[Line]) -> str:
    """The overview for a terminal: one block per dataset and stage; `*` marks the best of a column."""
    blocks = []
    for dataset, stage in dict.fromkeys((line.dataset, line.stage) for line in lines):
        header = ["run", *(m.header for m in METRICS), "missed", "invented", "cases", "folds"]
        table = [header]
        for line in lines:
            if (line.dataset, line.stage) == (dataset, stage):
                cells = [mean_sd_text(line, metric) for metric in METRICS]
                counts = [line.missed, line.invented, line.cases, len(line.folds)]
                table.append([line.run, *cells, *(str(count) for count in counts)])
        widths = [max(map(len, column)) for column in zip(*table)]
        text = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths))
            ).rstrip()
            for row in table
        ]
        blocks.append("\n".join([f"{dataset}, {stage}", *text]))
    return "\n\n".join(blocks)


def mean_sd_text(line: Line, metric: Metric) -> str:
    """`0.897 ± 0.041 (-1)*`: mean and sd of the finite cases, cases left out, best of its column."""
    about = line.metrics.get(metric.key)
    if about is None or not about.count:
        return "-"
    text = f"{about.mean:.{metric.digits}f}"
    text += f" ± {about.sd:.{metric.digits}f}" if math.isfinite(about.sd) else ""
    text += f" (-{about.left_out})" if about.left_out else ""
    return text + ("*" if metric.key in line.best else "")
