"""The cases of landmarks that a dataset's runs err most on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class WorstCase:
    """A case in one run: the mean error of its points, and the point that is farthest off."""

    run: str
    fold: str
    case: str
    patient: str
    error: float  # mm, mean over the points that are not masked
    points: int
    label_name: str  # of the point farthest off
    farthest: float  # mm


def worst_cases(rows: pd.DataFrame, most: int = SHOWN) -> list[WorstCase]:
    """The `most` cases with the largest mean error in any run, a case in each run by itself; worst first.

    Args:
        rows: of `collect`, of one dataset and stage.
    """
    rows = rows[rows["mre"].notna()].reset_index(drop=True)
    groups = rows.groupby(["run", "fold", "case"], sort=True)["mre"]
    means = groups.mean().sort_values(ascending=False, kind="stable").head(most)
    farthest, points = groups.idxmax(), groups.size()
    found = []
    for key, error in means.items():
        row = rows.loc[farthest[key]]
        found.append(
            WorstCase(
                run=key[0],
                fold=key[1],
                case=key[2],
                patient=str(row["patient"]),
                error=float(error),
                points=int(points[key]),
                label_name=str(row["label_name"]),
                farthest=float(row["mre"]),
            )
        )
    return found
