"""The paired comparisons of one dataset's tests as the page carries them."""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from mos.report.compare import Comparison
from mos.report.seeds import Contender

_LEFT_OUT = ("dataset", "stage", "label_name")
FIELDS = tuple(field.name for field in fields(Comparison) if field.name not in _LEFT_OUT)
ALL_LABELS = -1


def pair_block(
    comparisons: Sequence[Comparison], contenders: Sequence[Contender], best: str | None
) -> dict[str, Any]:
    """Every comparison as a row of FIELDS.

    Args:
        comparisons, contenders: of one dataset and stage.
        best: the contender the page starts with; others are shown against it.

    Returns:
        contenders: {name, title, runs}; fields; rows, where a contender is its number, label
        ALL_LABELS stands for the mean over labels, and None for a number that is not there.
    """
    numbers = {contender.name: i for i, contender in enumerate(contenders)}
    return {
        "contenders": [
            {"name": c.name, "title": c.title, "runs": list(c.runs)} for c in contenders
        ],
        "best": best,
        "fields": FIELDS,
        "rows": [_row(entry, numbers) for entry in comparisons],
    }


def _row(entry: Comparison, numbers: dict[str, int]) -> list:
    row = []
    for name in FIELDS:
        value = getattr(entry, name)
        if name in ("first", "second"):
            value = numbers[value]
        elif name == "label" and value is None:
            value = ALL_LABELS
        elif isinstance(value, float):
            value = float(f"{value:.6g}") if math.isfinite(value) else None
        row.append(value)
    return row
