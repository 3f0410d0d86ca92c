"""The sections of the page, one a dataset, and what in them need not be made again.

A section is kept whole; where something of its dataset is new, its tables, curves and details of runs are kept
one by one, and the rows of its tables.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mos.report import table
from mos.report.cache import pack_name
from mos.report.cache_key import digest
from mos.report.collection import Collection
from mos.report.cost import Costs
from mos.report.metric import Metric
from mos.report.packed import DEFLATED, Parts
from mos.report.page_flags import Facts, Flags
from mos.report.page_parts import Dataset, Stage
from mos.report.remembered import to_plain
from mos.report.run_record import Run

_KINDS = ("overview", "label", "fold")  # of tables of scores


@dataclass(frozen=True, kw_only=True)
class Shown:
    """All that a table of scores shows: for the table, and for each of its rows."""

    kind: str
    stage: str
    rows: tuple[str, ...]

    @property
    def whole(self) -> str:
        return "\n".join(self.rows)


class Sections:
    """Makes sections, or takes them from the cache. The templates call it while it makes one."""

    def __init__(self, collection: Collection, flags: Flags, costs: Costs):
        self._collection = collection
        self._flags = flags
        self._facts = Facts(collection.runs, costs)
        self._dataset = ""  # whose section is made
        self._parts = Parts()
        self.packed: dict[int, str] = (
            {}
        )  # by the number of the dataset: what enters its section later

    def section(self, dataset: Dataset, about: Sequence[str], make: Callable[[], str]) -> Markup:
        """The HTML of a section; what it keeps for later goes to `packed`.

        Args:
            about: what it shows besides scores, runs and their notices.
        """
        self._dataset, self._parts = dataset.name, Parts()

        def made() -> str:
            html = str(make())  # it fills the parts
            return json.dumps([html, self._parts.packed(self._collection.cache, dataset.name)])

        inputs = self._inputs(dataset, about)
        text = (
            made()
            if inputs is None
            else self._collection.cache.remember_text(
                "section", inputs, made, pack=dataset.name, stays=self._packs(dataset.name)
            )
        )
        html, self.packed[dataset.number] = json.loads(text)
        return Markup(html)

    def _inputs(self, dataset: Dataset, about: Sequence[str]) -> list[str] | None:
        scores = (
            self._collection.made_from()
        )  # of all: comparisons and names of runs go beyond a dataset
        if scores is None:
            return None
        runs = [run for run in self._collection.runs if run.dataset == dataset.name]
        facts = [(*_progress(run), run.log.digest) for run in runs]
        notices = self._flags.of_dataset(dataset.name)
        return [scores, repr((dataset.number, dataset.name, facts, notices)), *about]

    def _packs(self, dataset: str) -> list[str]:
        """What `section` would ask for its dataset."""
        stages = [stage for of, stage in self._collection.stages if of == dataset]
        rows = [_rows_pack(dataset, stage, kind) for stage in ("test", *stages) for kind in _KINDS]
        return [*(pack_name(what, dataset) for what in ("html", "cost", DEFLATED)), *rows]

    def put(self, html: str) -> int:
        """Finished HTML that enters the section later: its number there."""
        return self._parts.put(html)

    def kept(
        self, what: str, inputs: str, caller: Callable[[], str], stays: Sequence[str] = ()
    ) -> Markup:
        """A part of a template, or what it gave for the same `inputs`: all it shows must be in them."""
        cache = self._collection.cache
        html = cache.remember_text(
            "html", [what, inputs], lambda: str(caller()), pack=self._dataset, stays=stays
        )
        return Markup(html)

    def kept_table(self, shown: Shown, caller: Callable[[], str]) -> Markup:
        """A table of scores."""
        rows = _rows_pack(self._dataset, shown.stage, shown.kind)
        return self.kept(f"{shown.kind} table", shown.whole, caller, [rows])

    def kept_row(self, shown: Shown, index: int, group: bool, caller: Callable[[], str]) -> Markup:
        """A row of a table; `group`: it begins another group of rows than the one before."""
        html = self._collection.cache.remember_text(
            "html rows",
            [shown.rows[index], str(group)],
            lambda: str(caller()),
            pack=_rows_name(self._dataset, shown.stage, shown.kind),
        )
        return Markup(html)

    def shown(
        self, lines: Sequence[table.Line], metrics: Sequence[Metric], kind: str, stage: Stage
    ) -> Shown:
        """All that a table of `lines` shows, all of one dataset and stage; kind: see `table.html.j2`, or pivot."""
        made_from = lines and self._collection.made_from(lines[0].dataset, stage.key)
        keys = [metric.key for metric in metrics]
        whole = digest([made_from or "", repr((kind, keys))])
        rows = []
        for index, line in enumerate(lines):
            like_best = [key for key in keys if line.run in stage.like_best.get(key, ())]
            plain = None if made_from else to_plain(line)
            rows.append(repr((whole, index, plain, like_best, self._beside(line, kind))))
        return Shown(kind=kind, stage=stage.key, rows=tuple(rows))

    def _beside(self, line: table.Line, kind: str) -> tuple:
        """What the row of a line shows beside scores."""
        if kind == "overview":
            facts = self._facts
            return self._flags(line), facts.folds_of(line), facts.epochs(line), facts.cost_of(line)
        if kind == "fold":
            run = self._facts.run_of(line)
            return _progress(run) if run else ()
        return ()

    def run_inputs(self, run: Run, notices: Sequence) -> str:
        """All that the details of a run show."""
        return repr((run.folder, *_progress(run), run.log.digest, run.told, list(notices)))

    def curve_inputs(self, name: str, folds: Sequence[Run], ends: Sequence[float]) -> str:
        """All that the learning curves of a run show."""
        about = [(run.fold, run.setting, run.epoch, run.log.digest) for run in folds]
        return repr((name, about, *ends))

    def functions(self) -> dict[str, Callable]:
        """What the templates call, by name."""
        return {
            "put": self.put,
            "kept": self.kept,
            "kept_table": self.kept_table,
            "kept_row": self.kept_row,
            "table_inputs": self.shown,
            "run_inputs": self.run_inputs,
            "curve_inputs": self.curve_inputs,
            "flags": self._flags,
            "notices_of": self._flags.of_run,
            "folds_of": self._facts.folds_of,
            "epochs": self._facts.epochs,
            "run_of": self._facts.run_of,
            "cost_of": self._facts.cost_of,
        }


def _progress(run: Run) -> tuple:
    return str(run.folder), run.epoch, run.chosen_by, run.epochs_done, run.epochs_wanted


def _rows_name(dataset: str, stage: str, kind: str) -> str:
    return repr((dataset, stage, kind))


def _rows_pack(dataset: str, stage: str, kind: str) -> str:
    return pack_name("html rows", _rows_name(dataset, stage, kind))
