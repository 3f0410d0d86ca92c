"""Which pairs of a sheet are compared, and the columns of each comparison before its correction."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from mos.report.differences import differences
from mos.report.sheet import Sheet, best_order


def compared_pairs(sheet: Sheet, place: int | None, every: bool) -> list[dict[str, Any]]:
    """Columns of comparisons, not corrected, in all metrics; of the label at `place`, or of all labels together."""
    known = sheet.known if place is None else sheet.only(place)
    wanted = _wanted(sheet, known, every)
    # Pairs whose contenders have the same cases and labels can be worked on together.
    contents = [one.tobytes() for one in known]
    groups = defaultdict(list)
    for pair in dict.fromkeys(pair for pairs in wanted for pair in pairs):
        groups[frozenset(contents[one] for one in pair)].append(pair)
    found = []
    for pairs in groups.values():
        mask = known[pairs[0][0]] & known[pairs[0][1]]
        which = sorted({one for pair in pairs for one in pair})
        values = sheet.case_values(which, mask)
        for number, metric in enumerate(sheet.metrics):
            mine = [pair for pair in pairs if pair in wanted[number]]
            counted = mask[:, :, number].any(axis=1)
            if not mine or not counted.any():
                continue
            first, second = (values[np.searchsorted(which, side), :, number] for side in zip(*mine))
            columns = differences(
                first,
                second,
                counted,
                sheet.patient,
                higher_is_better=metric.higher_is_better,
            )
            own = known[:, :, :, number].any(axis=2)
            found += _columns(sheet, place, metric.key, mine, columns, own)
    return found


def _columns(
    sheet: Sheet,
    place: int | None,
    metric: str,
    pairs: Sequence[tuple[int, int]],
    columns: dict[str, np.ndarray],
    own: np.ndarray,
) -> list[dict[str, Any]]:
    table = {name: column.tolist() for name, column in columns.items()}
    shared = {"dataset": sheet.dataset, "stage": sheet.stage, "metric": metric}
    shared["label"] = None if place is None else sheet.labels[place]
    shared["label_name"] = "" if place is None else sheet.label_names[place]
    first, second = np.array(pairs).T
    table["only_first"] = (own[first] & ~own[second]).sum(axis=1).tolist()
    table["only_second"] = (own[second] & ~own[first]).sum(axis=1).tolist()
    names = [one.name for one in sheet.contenders]
    return [
        {
            **shared,
            "first": names[a],
            "second": names[b],
            **{name: column[row] for name, column in table.items()},
        }
        for row, (a, b) in enumerate(pairs)
    ]


def _wanted(sheet: Sheet, known: np.ndarray, every: bool) -> list[dict[tuple[int, int], None]]:
    """The pairs to compare, metric by metric; a dictionary for its order and its quick look-up."""
    count = len(sheet.contenders)
    if every:
        pairs = {(a, b): None for a in range(count) for b in range(a + 1, count)}
        return [pairs] * len(sheet.metrics)
    wanted = []
    values: dict[tuple[bytes, tuple[int, ...]], np.ndarray] = {}
    for number, metric in enumerate(sheet.metrics):
        alike = sheet.alike(known[..., number])
        mask = known[alike[0]]
        key = mask.tobytes(), tuple(alike)
        if key not in values:
            values[key] = sheet.case_values(alike, mask)
        scores = values[key][:, :, number]
        best = alike[best_order(scores, metric.higher_is_better)[0]]
        wanted.append({(best, other): None for other in range(count) if other != best})
    return wanted
