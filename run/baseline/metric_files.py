"""Metric files as tables that can be completed: what they lack, what counts can fill, the old file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mos.engine.checkpoint import load_table
from mos.errors import BadInput
from mos.metrics.segmentation import from_counts
from mos.metrics.table import COUNTS, KEYS, METRICS
from run.baseline.task import reduce

Table = dict[str, Any]
# A network scored again on another device, or in other threads, turns over a few voxels. More than
# this is another result: mean and largest difference of dice over the (case, label) cells.
MEAN_TOLERANCE, CELL_TOLERANCE = 1e-3, 0.05


def read_table(path: Path) -> Table:
    """Reads a metric file of a segmentation run.

    Raises:
        BadInput: it is broken, or has no `raw_dice`.
    """
    table = load_table(path)
    if not isinstance(table, dict) or "raw_dice" not in table or "case" not in table:
        raise BadInput(
            f"{path}: has no raw_dice and case, so it is no metric file of a segmentation; delete it, and the "
            "same command scores that epoch again"
        )
    return table


def has_value(table: Mapping[str, Any]) -> torch.Tensor:
    """(n, label_count) bool: cells where a metric has a value, the label being in either map."""
    if all(f"raw_{name}" in table for name in COUNTS):
        total = sum(table[f"raw_{name}"] for name in COUNTS)
        # A true background voxel is no count here, so anything above 0 is in one map at least.
        return total > 0
    return ~table["raw_dice"].isnan()


def missing_cells(table: Mapping[str, Any], tolerance: Mapping[int, float]) -> dict[str, int]:
    """How many cells each metric of the table lacks; {} for a complete file.

    Args:
        tolerance: the mm of `nsd` that are wanted; values at another tolerance count as lacking.
    """
    valued = has_value(table)
    found = {}
    for key in KEYS:
        raw = table.get(f"raw_{key}")
        lacks = valued if raw is None else valued & raw.isnan()
        if key == "nsd" and raw is not None:
            lacks = valued & (raw.isnan() | _other_tolerance(table, tolerance))
        if count := int(lacks.sum()):
            found[key] = count
    return found


def _other_tolerance(table: Mapping[str, Any], tolerance: Mapping[int, float]) -> torch.Tensor:
    used = table.get("raw_nsd_tolerance")
    if used is None:
        return torch.ones_like(table["raw_dice"], dtype=torch.bool)
    wanted = torch.tensor(
        [tolerance.get(i, np.nan) for i in range(used.shape[1])], dtype=torch.float64
    )
    return ~torch.isclose(used, wanted.expand_as(used), equal_nan=True)


def fill_from_counts(table: Mapping[str, Any], lacking: Mapping[str, int]) -> Table | None:
    """The table with those metrics filled that counts alone decide; None where there are none."""
    if not all(f"raw_{name}" in table for name in COUNTS):
        return None
    keys = [m.key for m in METRICS if m.needs == "counts" and m.key in lacking]
    if not keys:
        return None
    raw = {f"raw_{name}": table[f"raw_{name}"].numpy() for name in COUNTS}
    filled = {f"raw_{key}": torch.from_numpy(from_counts(raw, key)) for key in keys}
    return with_means({**table, **_kept(table, filled)})


def _kept(table: Mapping[str, Any], fresh: Mapping[str, Any]) -> Table:
    """The fresh metrics, but for cells that have a value already."""
    return {
        key: torch.where(table[key].isnan(), value, table[key]) if key in table else value
        for key, value in fresh.items()
    }


def merge(table: Mapping[str, Any], fresh: Mapping[str, Any], lacking: Sequence[str]) -> Table:
    """The stored table with the lacking metrics of a fresh one; what it has already stays."""
    new = {f"raw_{key}": fresh[f"raw_{key}"] for key in lacking}
    if "nsd" in lacking:  # at a tolerance of its own, so none of the old values stays
        kept = {key: value for key, value in new.items() if key != "raw_nsd"}
        tolerance = {key: fresh[key] for key in ("raw_nsd", "raw_nsd_tolerance")}
        return with_means({**table, **_kept(table, kept), **tolerance})
    return with_means({**table, **_kept(table, new)})


def with_means(table: Mapping[str, Any]) -> Table:
    """The table with the means per case and the counts that follow from its `raw_` tables."""
    raw = {key: value for key, value in table.items() if key.startswith("raw_")}
    if not all(f"raw_{name}" in raw for name in COUNTS):
        return dict(table)
    return {**table, **reduce(raw)}


def take_rows(table: Mapping[str, Any], rows: Sequence[int]) -> Table:
    """Some rows of a table, with the means and counts of those."""
    n = len(table["case"])
    index = torch.tensor(list(rows), dtype=torch.long)
    taken: Table = {}
    for key, value in table.items():
        if isinstance(value, torch.Tensor) and value.ndim:
            taken[key] = value[index]
        elif isinstance(value, list) and len(value) == n:
            taken[key] = [value[row] for row in rows]
        else:
            taken[key] = value
    return with_means(taken)


def join_rows(tables: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of several tables below one another; nan where one lacks a metric the others have."""
    names = list(dict.fromkeys(key for table in tables for key in table))
    width = max(table["raw_dice"].shape[1] for table in tables)
    joined: Table = {}
    for name in names:
        if name.startswith("raw_"):
            parts = []
            for table in tables:
                n, own = table["raw_dice"].shape
                part = torch.full((n, width), torch.nan, dtype=torch.float64)
                if name in table:
                    part[:, :own] = table[name]
                parts.append(part)
            joined[name] = torch.cat(parts)
        elif name == "epoch_losses":
            joined[name] = torch.cat([table[name] for table in tables])
        elif isinstance(tables[0].get(name), list):
            joined[name] = [value for table in tables for value in table[name]]
    return with_means(joined)


@dataclass(frozen=True)
class Agreement:
    """How stored dice and dice scored again compare over their (case, label) cells."""

    cells: int
    mean: float
    largest: float

    @property
    def is_close(self) -> bool:
        return self.mean <= MEAN_TOLERANCE and self.largest <= CELL_TOLERANCE


def agreement(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> Agreement:
    """Compares a stored table with a fresh one of the same epoch.

    Raises:
        BadInput: they are of other cases or labels.
    """
    a, b = old["raw_dice"], new["raw_dice"]
    if list(old["case"]) != list(new["case"]) or a.shape != b.shape:
        raise BadInput(
            f"{path}: holds other cases or labels than the dataset has now, so it cannot be completed; "
            "move it away, and the same command scores that epoch anew"
        )
    both = ~a.isnan() & ~b.isnan()
    # A cell scored in one of the two only is as different as can be.
    difference = torch.where(both, (a - b).abs(), (a.isnan() != b.isnan()).double())
    counted = difference[~a.isnan() | ~b.isnan()]
    if not counted.numel():
        return Agreement(0, 0.0, 0.0)
    return Agreement(counted.numel(), float(counted.mean()), float(counted.max()))


def finite_mean(values: torch.Tensor) -> float:
    """The mean of the finite ones of (n,) values; nan where there are none."""
    finite = values[torch.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
