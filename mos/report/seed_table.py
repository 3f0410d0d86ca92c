"""Trainings that were repeated with other seeds: the mean over seeds and the spread between them."""

from collections.abc import Sequence

import numpy as np

from mos.report.seeds import SeedLine, Spread
from mos.report.sheet import Sheet
from mos.report.statistics import mean, sd


def seed_lines(sheets: Sequence[Sheet]) -> list[SeedLine]:
    """One line per contender with several seeds, and stage."""
    lines = []
    for sheet in sheets:
        for place, contender in enumerate(sheet.contenders):
            counted = sheet.known[place].any(axis=(1, 2))
            if len(contender.runs) < 2 or not counted.any():
                continue
            values = sheet.run_values(place)
            lines.append(
                SeedLine(
                    contender=contender,
                    dataset=sheet.dataset,
                    stage=sheet.stage,
                    cases=int(counted.sum()),
                    patients=len(np.unique(sheet.patient[counted])),
                    metrics={
                        metric.key: _spread(values[:, counted, number])
                        for number, metric in enumerate(sheet.metrics)
                    },
                )
            )
    return lines


def _spread(values: np.ndarray) -> Spread:
    """From scores (seeds, n)."""
    finite = np.isfinite(values).all(axis=0)
    means = tuple(mean(row) for row in values[:, finite])
    return Spread(
        means=means,
        mean=mean(means),
        sd=sd(means),
        cases=int(finite.sum()),
        left_out=int((~finite).sum()),
    )
