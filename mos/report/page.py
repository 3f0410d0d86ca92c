"""The report as one HTML page that needs nothing else: style, script and data inside, no network."""

import base64
import hashlib
import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path

import jinja2
from markupsafe import Markup

from mos.report import cost, curve, error_curve, page_data, page_parts, plot_ranks, table
from mos.report.analysis import Analysis
from mos.report.cache_key import code_version
from mos.report.collection import Collection
from mos.report.packed import packed
from mos.report.page_flags import Flags
from mos.report.page_images import Pictures
from mos.report.page_section import Sections
from mos.report.page_text import breakable, fixed, readable
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
    costs: cost.Costs,
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
    tables = overview, per_label, per_fold, zeroshot
    notices = [
        *collection.notices,
        *(analysis.notices if analysis else ()),
        *(notice for found in pictures.values() for notice in found.notices),
    ]
    sections = Sections(collection, Flags(notices), costs)
    datasets = page_parts.datasets(collection.runs)

    @cache
    def part_of(dataset: page_parts.Dataset) -> page_parts.DatasetPart:
        return page_parts.dataset_part(collection, dataset, *tables, analysis, costs)

    pairs = {
        one: page_data.pairs(collection, one.name, partial(part_of, one), analysis)
        for one in datasets
    }
    notes = {one: pictures[one.name].note if one.name in pictures else "" for one in datasets}

    def section(dataset: page_parts.Dataset, caller: Callable[[], str]) -> Markup:
        about = notes[dataset], repr((bool(pairs[dataset]), analysis is None))
        return sections.section(dataset, about, caller)

    environment.globals |= sections.functions() | {
        "section": section,
        "part_of": part_of,
        "panels": lambda folds, ends: curve.panels(folds, collection.metrics[0], ends),
        "of_points": collection.of_points,
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
        datasets=datasets,
        packed_parts=sections.packed,
        choices=page_data.choices(collection),
        run_parts=page_data.as_json(page_data.run_parts(collection.runs)),
        words=page_data.as_json(page_data.words(collection)),
        colours=page_data.as_json(page_data.colours()),
        cases={one: page_data.cases(collection, one.name) for one in datasets},
        pairs=pairs,
        pictures={
            one: packed(pictures[one.name].cases) for one in datasets if one.name in pictures
        },
        picture_notes=notes,
        tolerances=page_data.tolerances(collection),
        notices=sorted(notices, key=lambda n: (n.kind, n.dataset, n.run, n.setting)),
    )


def _compiled_templates() -> jinja2.BytecodeCache | None:
    """Compiled templates, in the folder for temporary files: there jinja2 trusts nobody else's."""
    try:
        return jinja2.FileSystemBytecodeCache(pattern=f"__mos_{code_version()[:16]}_%s.cache")
    except (OSError, RuntimeError):  # no such folder, or it is not ours
        return None


def _column_rules(keys: Sequence[str]) -> str:
    """CSS that hides the columns of each metric; the page's policy forbids styles made later."""
    hidden = ",\n".join(f'.no-{key} [data-column="{key}"]' for key in keys)
    return f"{hidden},\n.no-interval .interval-text, .no-sd .sd {{ display: none; }}\n"


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
