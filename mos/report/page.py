"""The report as one HTML page that needs nothing else: style, script and data inside, no network."""

import base64
import hashlib
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from mos.report import colour, cost, curve, error_curve, page_parts, plot_ranks, table
from mos.report.analysis import Analysis
from mos.report.cache import Cache, code_version
from mos.report.case_block import case_block
from mos.report.collect import Collection
from mos.report.metric import Metric
from mos.report.notice import Notice
from mos.report.packed import Parts, packed
from mos.report.page_images import Pictures
from mos.report.page_text import breakable, fixed, readable
from mos.report.pair_block import pair_block
from mos.report.remembered import to_plain
from mos.report.run_record import Run
from mos.report.zeroshot import ZeroShotLine

# Columns that papers rarely print wait for a tick in the menu of columns.
HIDDEN_AT_FIRST = frozenset("nsd precision recall volume_error".split())
_HERE = Path(__file__).parent
_SCRIPTS = ("base", "tables", "cases", "viewer", "points", "plots", "pairs")


def render(
    collection: Collection,
    overview: Sequence[table.Line],
    per_label: Sequence[table.Line],
    per_fold: Sequence[table.Line],
    zeroshot: Sequence[ZeroShotLine],
    *,
    created: datetime,
    version: str,
    analysis: Analysis | None = None,
    pictures: dict[str, Pictures] | None = None,
) -> str:
    """The page as text. Every name and note of a user is escaped.

    Args:
        analysis: comparisons, rankings and seeds; without it the page has none.
        pictures: the images of cases by dataset, of `page_images.choose_pictures`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        bytecode_cache=_compiled_templates(),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"breakable": breakable, "readable": readable, "fixed": fixed}
    pictures = pictures or {}
    notices = [
        *collection.notices,
        *(analysis.notices if analysis else ()),
        *(notice for found in pictures.values() for notice in found.notices),
    ]
    by_name = _by_name(collection.runs)
    environment.globals |= {
        "parts_store": Parts(),
        "kept": partial(_kept, collection.cache),
        "packed_parts": lambda store: store.packed(collection.cache),
        "made_from": collection.made_from,
        "run_inputs": _run_inputs,
        "table_inputs": partial(_table_inputs, environment.globals),
        "of_points": collection.of_points,
        "flags": Flags(notices),
        "epochs": lambda dataset, run: _epochs(by_name[dataset, run]),
        "folds_of": _fold_counter(collection.runs),
        "run_of": _run_finder(collection.runs),
        "command": lambda words: words if isinstance(words, str) else shlex.join(map(str, words)),
        "epoch_facts": cost.epoch_facts,
        "size": curve,
        "error_size": error_curve,
        "diagram": plot_ranks.diagram,
        "strip": plot_ranks.strip,
        "strip_width": plot_ranks.strip_width,
        "cell": plot_ranks.CELL,
    }
    keys = [metric.key for metric in collection.metrics]
    style = (_HERE / "style.css").read_text(encoding="utf-8") + _column_rules(keys)
    script = "\n".join(
        (_HERE / "script" / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS
    )
    parts = page_parts.parts(collection, overview, per_label, per_fold, zeroshot, analysis)
    pairs = {part.number: _pairs(collection, part, analysis) for part in parts}
    return environment.get_template("page.html.j2").render(
        collection=collection,
        created=created,
        version=version,
        # Markup: these two are ours, not a user's. Their hashes let the page forbid any other.
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        metrics=collection.metrics,
        metrics_by_key={metric.key: metric for metric in collection.metrics},
        hidden_at_first=[key for key in keys if key in HIDDEN_AT_FIRST],
        parts=parts,
        choices=_choices(collection),
        run_parts=_json(_run_parts(collection.runs)),
        words=_json(_words(collection)),
        colours=_json(_colours()),
        blocks=[(part, _cases(collection, part.name), pairs[part.number]) for part in parts],
        paired=[number for number, block in pairs.items() if block],
        pictures={name: packed(found.cases) for name, found in pictures.items()},
        picture_notes={name: found.note for name, found in pictures.items()},
        tolerances=_tolerances(collection),
        notices=sorted(notices, key=lambda n: (n.kind, n.dataset, n.run, n.setting)),
        notices_of=lambda run: _notices_of(notices, run),
    )


def _compiled_templates() -> jinja2.BytecodeCache | None:
    """Compiled templates, in the folder for temporary files: there jinja2 trusts nobody else's."""
    try:
        return jinja2.FileSystemBytecodeCache(pattern=f"__mos_{code_version()[:16]}_%s.cache")
    except (OSError, RuntimeError):  # no such folder, or it is not ours
        return None


def _kept(cache: Cache, what: str, inputs: str, caller: Callable[[], str]) -> Markup:
    """A part of a template, or what it gave for the same `inputs`: all it shows must be in them."""
    return Markup(cache.remember_text(f"html {what}", [inputs], lambda: str(caller())))


def _run_inputs(run: Run, notices: Sequence[Notice]) -> str:
    """All that the details of a run show."""
    facts = run.folder, run.epoch, run.chosen_by, run.epochs_done, run.epochs_wanted
    return repr((facts, run.log.digest, run.told, list(notices)))


def _table_inputs(
    around: Mapping[str, Any],
    lines: Sequence[table.Line],
    metrics: Sequence[Metric],
    kind: str,
    stage: page_parts.Stage,
) -> str:
    """All that a table of scores shows; `around` are the functions that its template calls."""
    about = []
    for line in lines:
        run = around["run_of"](line) if kind == "fold" else None
        facts = run and (run.epoch, run.epochs_done, run.epochs_wanted, run.chosen_by)
        seen = around["flags"](line), around["folds_of"](line)
        about.append((*seen, around["epochs"](line.dataset, line.run), facts))
    like_best = {key: sorted(runs) for key, runs in stage.like_best.items()}
    keys = [metric.key for metric in metrics]
    made_from = lines and around["made_from"](lines[0].dataset, stage.key)
    return json.dumps([made_from or to_plain(list(lines)), keys, kind, like_best, about])


def _cases(collection: Collection, dataset: str) -> str:
    """The packed scores of a dataset's cases."""

    def make() -> str:
        return packed(case_block(collection.rows[collection.rows["dataset"] == dataset]))

    inputs = collection.made_from(dataset)
    return collection.cache.remember_text("case block", [inputs], make) if inputs else make()


def _pairs(collection: Collection, part: page_parts.DatasetPart, analysis: Analysis | None) -> str:
    """The packed comparisons of a dataset's test; empty where fewer than two can be compared."""
    if analysis is None:
        return ""
    return collection.remembered_text(f"pairs {part.name}", lambda: _packed_pairs(part, analysis))


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


def _column_rules(keys: Sequence[str]) -> str:
    """CSS that hides the columns of each metric; the page's policy forbids styles made later."""
    hidden = ",\n".join(f'.no-{key} [data-column="{key}"]' for key in keys)
    return f"{hidden},\n.no-interval .interval-text, .no-sd .sd {{ display: none; }}\n"


def _json(value: Any) -> Markup:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _words(collection: Collection) -> dict[str, str]:
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


def _colours() -> dict[str, Any]:
    return {
        "labels": colour.label_colours().tolist(),
        "errors": colour.error_colours().tolist(),
        "errorNames": [colour.ERROR_TITLES[kind] for kind in colour.ERROR_KINDS],
    }


def _run_parts(runs: Sequence[Run]) -> dict[str, dict[str, str | int]]:
    """What the filters look at, by run name; order is where the name stands in the tables."""
    found = {}
    for run in sorted(runs, key=lambda run: run.order):
        names = {key: getattr(run, key) for key in ("network", "dims", "aux", "tag")}
        found.setdefault(run.name, names | {"order": len(found)})
    return found


def _choices(collection: Collection) -> list[tuple[str, str, list[str]]]:
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


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _by_name(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.dataset, run.name), []).append(run)
    return found


def _run_finder(runs: Sequence[Run]):
    known = {(run.dataset, run.name, run.fold): run for run in runs}
    return lambda line: known.get((line.dataset, line.run, line.fold))


def _tolerances(collection: Collection) -> list[str]:
    """The tolerances of nsd in the files, in mm as text."""

    def make() -> str:
        rows = collection.rows
        known = len(rows) and "nsd_tolerance" in rows.columns
        found = rows["nsd_tolerance"].dropna().unique() if known else ()
        return " ".join(f"{value:g}" for value in sorted(map(float, found)))

    return collection.remembered_text("tolerances", make).split()


class Flags:
    """What the tables say below a run's name: the kinds of its notices, each once."""

    def __init__(self, notices: Sequence[Notice]) -> None:
        self._by_dataset: dict[str, list[Notice]] = {}
        for notice in notices:
            self._by_dataset.setdefault(notice.dataset, []).append(notice)

    def __call__(self, line: table.Line) -> list[str]:
        settings = {
            "",
            *(f"{line.dataset}-{fold}" if fold else line.dataset for fold in line.folds),
        }
        kinds = [
            n.kind
            for n in self._by_dataset.get(line.dataset, ())
            # A notice on the whole dataset stands with the warnings, not at every run.
            if n.run == line.run or (not n.run and n.setting and n.setting in settings)
        ]
        return list(dict.fromkeys(kinds + ([] if line.comparable else ["other cases"])))


def _notices_of(notices: Sequence[Notice], run: Run) -> list[Notice]:
    """What concerns this run of this fold, and this run in all folds."""
    return [
        n
        for n in notices
        if n.dataset == run.dataset and n.run in ("", run.name) and n.setting in ("", run.setting)
    ]


def _fold_counter(runs: Sequence[Run]) -> Callable[[table.Line], int]:
    """How many folds the dataset of a line has; 0 for one that is not split, such as `xxx-all`."""
    folds: dict[str, list[int]] = {}
    for run in runs:
        if run.fold:
            folds.setdefault(run.dataset, []).append(int(run.fold) + 1)
    counts = {dataset: max(page_parts.FOLDS, *found) for dataset, found in folds.items()}
    return lambda line: counts.get(line.dataset, 0)


def _epochs(runs: Sequence[Run]) -> str:
    """Epochs done by the folds of a run: `40`, or `12–40` where they differ."""
    done = [run.epochs_done for run in runs]
    low, high = min(done), max(done)
    return str(high) if low == high else f"{low}–{high}"
