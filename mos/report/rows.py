"""One metric file of an epoch as rows in long form: one row per case and label."""

from pathlib import Path

import numpy as np
import pandas as pd

from mos.report.metric import COUNTS, KEYS
from mos.report.scores import case_means, states


class BrokenFile(Exception):
    """A result file that cannot be used; the message says what is wrong with it."""


def read_metric_file(
    path: Path, label_names: dict[int, str]
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Reads `<epoch>/<stage>-metrics.pt`.

    Returns:
        A frame with the columns set (of zero-shot files, else ""), case, patient, label, label_name,
        the metrics by their keys, `nsd_tolerance` (mm) and state (one of
        `mos.report.scores.STATES`), ordered by case as in the file, then label; background is left
        out unless scored.
        Then what the file lacks, as (kind, sentence); the metrics it lacks are nan.

    Raises:
        BrokenFile: half written, foreign, or arrays that do not belong together.
    """
    content = _load(path)
    tables = {key: _table(content, f"raw_{key}") for key in (*KEYS, *COUNTS, "nsd_tolerance")}
    given = {key: table for key, table in tables.items() if table is not None}
    if "dice" not in given:
        raise BrokenFile("it has no raw_dice (n, label_count)")
    n, label_count = given["dice"].shape
    for key, table in given.items():
        if table.shape != (n, label_count):
            raise BrokenFile(f"raw_{key} is {table.shape}, raw_dice is {(n, label_count)}")
    cases = [str(case) for case in content.get("case", ())]
    if len(cases) != n:
        raise BrokenFile(f"it names {len(cases)} cases for {n} rows")
    sets = [str(name) for name in content.get("set", ())] or [""] * n
    if len(sets) != n:
        raise BrokenFile(f"it names {len(sets)} sets for {n} rows")
    if len(set(zip(sets, cases))) != n:
        raise BrokenFile("it names a case twice")
    patients = [str(patient) for patient in content.get("patient", ())] or cases
    if len(patients) != n:
        raise BrokenFile(f"it names {len(patients)} patients for {n} rows")

    lacks = []
    if all(key in given for key in COUNTS):
        state = states(*(given[key] for key in COUNTS))
    else:
        state = _states_without_counts(given["dice"], given.get("hd"))
        text = "it has no raw_tp, raw_fp, raw_fn: invented structures are counted as missed"
        lacks.append(("broken", text))
    lacks += [("broken", text) for text in _disagreements(content, given, state)]
    lacks += _unfilled(given, state)

    labels = [i for i in range(label_count) if i > 0 or (state[:, 0] != "not scored").any()]
    nothing = np.full((n, label_count), np.nan)
    columns = {
        "set": np.repeat(sets, len(labels)),
        "case": np.repeat(cases, len(labels)),
        "patient": np.repeat(patients, len(labels)),
        "label": np.tile(labels, n),
        "label_name": np.tile([label_names.get(i, str(i)) for i in labels], n),
    }
    for key in (*KEYS, "nsd_tolerance"):
        columns[key] = given.get(key, nothing)[:, labels].ravel()
    columns["state"] = state[:, labels].ravel()
    return pd.DataFrame(columns), lacks


def _load(path: Path) -> dict:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn or foreign file can fail anywhere inside zip and pickle
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BrokenFile(f"it cannot be read ({reason[:200]})") from error
    if not isinstance(content, dict):
        raise BrokenFile(f"it holds a {type(content).__name__}, not a dictionary")
    return content


def _table(content: dict, key: str) -> np.ndarray | None:
    if key not in content:
        return None
    try:
        table = np.asarray(content[key], dtype=float)
    except (TypeError, ValueError) as error:
        raise BrokenFile(f"{key} is no table of numbers") from error
    if table.ndim != 2:
        raise BrokenFile(f"{key} is {table.shape}, needs (n, label_count)")
    return table


def _states_without_counts(dice: np.ndarray, hd: np.ndarray | None) -> np.ndarray:
    """For files of formats.md without counts: a label that no case has is taken as not scored."""
    one_sided = dice == 0 if hd is None else np.isinf(hd)
    never = np.broadcast_to(np.isnan(dice).all(axis=0), dice.shape)
    return np.select(
        [never, one_sided, np.isnan(dice)], ["not scored", "missed", "absent"], default="scored"
    )


def _unfilled(given: dict, state: np.ndarray) -> list[tuple[str, str]]:
    """Metrics without a value for structures that are scored: older files, before re-evaluation."""
    valued = np.isin(state, ("scored", "missed", "invented"))
    nothing = np.full(state.shape, np.nan)
    lacking = [key for key in KEYS if np.isnan(given.get(key, nothing)[valued]).any()]
    if not lacking:
        return []
    text = f"it has no {', '.join(lacking)} of some scores; .scripts/baseline/cmd/re_eval complete"
    return [("re-evaluate", f"{text} fills in what can be")]


def _disagreements(content: dict, given: dict, state: np.ndarray) -> list[str]:
    """Checks the stored means per case (n,) against the table they were made from."""
    found = []
    for key in KEYS:
        if key not in given or key not in content:
            continue
        stored = np.asarray(content[key], dtype=float).ravel()
        again = case_means(np.where(state == "not scored", np.nan, given[key]))
        if stored.shape != again.shape or not np.allclose(stored, again, atol=1e-6, equal_nan=True):
            found.append(f"its {key} is not the mean of its raw_{key}; raw_{key} is used")
    return found
