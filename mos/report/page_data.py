"""What the page carries for its scripts besides finished parts: blocks of numbers, names, colours, filters."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from mos.report import colour, page_parts
from mos.report.analysis import Analysis
from mos.report.case_block import case_block
from mos.report.collection import Collection
from mos.report.packed import packed
from mos.report.pair_block import pair_block
from mos.report.run_record import Run


def cases(collection: Collection, dataset: str) -> str:
    """The packed scores of a dataset's cases."""

    def make() -> str:
        return packed(case_block(collection.rows[collection.rows["dataset"] == dataset]))

    inputs = collection.made_from(dataset)
    return collection.cache.remember_text("case block", [inputs], make) if inputs else make()


def pairs(
    collection: Collection,
    dataset: str,
    part: Callable[[], page_parts.DatasetPart],
    analysis: Analysis | None,
) -> str:
    """The packed comparisons of a dataset's test; empty where fewer than two can be compared.

    `part` gives the dataset's part of the page.
    """
    if analysis is None:
        return ""
    return collection.remembered_text(f"pairs {dataset}", lambda: _packed_pairs(part(), analysis))


def _packed_pairs(part: page_parts.DatasetPart, analysis: Analysis) -> str:
    entries = [
        entry
        for entry in analysis.comparisons.entries
        if (entry.dataset, entry.stage) == (part.name, "test")
    ]
    if not entries:
        return ""
    contenders = [c for c in analysis.contenders if c.dataset == part.name]
    tested = {name for entry in entries for name in (entry.first, entry.second)}
    contenders = [c for c in contenders if c.name in tested]
    return packed(pair_block(entries, contenders, page_parts.best_contender(part, contenders)))


def as_json(value: Any) -> Markup:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def words(collection: Collection) -> dict[str, str]:
    """What the scripts call labels, and what becomes of them."""
    if collection.of_points:
        return {
            "label": "landmark",
            "all": "mean of points",
            "untold": "masked",
            "states": "Masked",
            "alarm": "",  # nothing went wrong
        }
    return {
        "label": "label",
        "all": "mean of labels",
        "untold": "absent in both",
        "states": "Missed or invented",
        "alarm": "alarm",
    }


def colours() -> dict[str, Any]:
    return {
        "labels": colour.label_colours().tolist(),
        "errors": colour.error_colours().tolist(),
        "errorNames": [colour.ERROR_TITLES[kind] for kind in colour.ERROR_KINDS],
    }


def run_parts(runs: Sequence[Run]) -> dict[str, dict[str, str | int]]:
    """What the filters look at, by run name; order is where the name stands in the tables."""
    found = {}
    for run in sorted(runs, key=lambda run: run.order):
        names = {key: getattr(run, key) for key in ("network", "dims", "aux", "tag")}
        found.setdefault(run.name, names | {"order": len(found)})
    return found


def choices(collection: Collection) -> list[tuple[str, str, list[str]]]:
    """The filters that have something to choose: key, title, values."""
    titles = {"network": "Network", "dims": "Dimensions", "aux": "Auxiliary data", "tag": "Tag"}
    if collection.of_points:
        titles["dims"] = "Image size"
    runs = collection.runs
    found = []
    for key, title in titles.items():
        values = sorted({getattr(run, key) for run in runs})
        if len(values) > 1:
            found.append((key, title, values))
    return found


def tolerances(collection: Collection) -> list[str]:
    """The tolerances of nsd in the files, in mm as text."""

    def make() -> str:
        rows = collection.rows
        known = len(rows) and "nsd_tolerance" in rows.columns
        found = rows["nsd_tolerance"].dropna().unique() if known else ()
        return " ".join(f"{value:g}" for value in sorted(map(float, found)))

    return collection.remembered_text("tolerances", make).split()
