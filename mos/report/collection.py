"""All runs of a task and all their scores, as the tables ask for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mos.report.cache import Cache
from mos.report.cache_key import digest
from mos.report.metric import Metric, metrics_of, of_points
from mos.report.notice import Notice
from mos.report.run_record import Run

if TYPE_CHECKING:
    import pandas as pd

RUN_COLUMNS = "task dataset setting fold run network tag dims aux postfix seed epoch".split()


def columns_of(task: str) -> list[str]:
    """The columns of a task's scores in long form."""
    metrics = metrics_of(task)
    return [
        *RUN_COLUMNS,
        *"stage case patient label label_name".split(),
        *(metric.key for metric in metrics),
        *([] if of_points(metrics) else ["nsd_tolerance"]),
        "state",
    ]


class Later:
    """A frame that is made when somebody asks for it: a summary in which no score is new asks for none."""

    def __init__(self, make: Callable[[], pd.DataFrame]):
        self._make, self._frame, self._lock = make, None, threading.Lock()

    def frame(self) -> pd.DataFrame:
        with self._lock:  # a thread may want it for its file meanwhile
            if self._frame is None:
                self._frame = self._make()
            return self._frame


class _Frame:
    """A field of a dataclass that is given as a frame, or as one for later, and read as a frame."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, one: object, owner: type | None = None) -> pd.DataFrame:
        if one is None:
            raise AttributeError(self._name)  # so the field has no default
        given = one.__dict__[self._name]
        return given.frame() if isinstance(given, Later) else given

    def __set__(self, one: object, given: pd.DataFrame | Later) -> None:
        one.__dict__[self._name] = given


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the rows that were read are made from."""

    rows: Later
    # One text per metric file, by dataset and stage; the zero-shot stages of a file are one.
    texts: Mapping[tuple[str, str], Sequence[str]]
    stages: tuple[tuple[str, str], ...]  # dataset and stage, as they come in the rows


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All runs of a task and all their scores.

    `rows` has the columns of `columns_of(task)`, one row per run, stage, case and label (a landmark is
    one); the metrics are as `mos.metrics.table` says, nan where a structure is in neither map, a landmark
    is masked, or it is not scored. The stage of a zero-shot file is `zeroshot <set>`. `mos.report.long_form`
    says what each column means.
    """

    root: Path
    task: str
    runs: tuple[Run, ...]
    rows: pd.DataFrame = _Frame()
    notices: tuple[Notice, ...]
    cache: Cache = field(default_factory=lambda: Cache(None), repr=False, compare=False)
    sources: Sources | None = field(default=None, repr=False, compare=False)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is scored; the first one picks epochs."""
        return metrics_of(self.task)

    @property
    def of_points(self) -> bool:
        """Whether the labels are landmarks."""
        return of_points(self.metrics)

    @property
    def as_read(self) -> Sources | None:
        """What `rows` are made from; None where they are not those that were read."""
        same = self.sources is not None and self.sources.rows is self.__dict__["rows"]
        return self.sources if same else None

    def inputs(self, dataset: str = "", stage: str = "") -> list[str] | None:
        """What the rows, of a dataset or of one stage of it, were made from: for `Cache.remember`.

        None where it is not known, since the rows are not those that were read.
        """
        if self.as_read is None:
            return None
        kind = stage.partition(" ")[0]  # sets of zero-shot stages share a file
        found = [
            text
            for (of, its_kind), texts in self.sources.texts.items()
            if dataset in ("", of) and kind in ("", its_kind)
            for text in texts
        ]
        return found or None

    def made_from(self, dataset: str = "", stage: str = "") -> str | None:
        """A digest of what tables are made from: `inputs`, and what runs are called that have no scores.

        None where it is not known.
        """
        key = dataset, stage
        known = self.__dict__.setdefault("_made_from", {})
        if key not in known:
            inputs = self.inputs(dataset, stage)
            told = [run.told for run in self.runs if dataset in ("", run.dataset)]
            known[key] = inputs and digest([repr(key), *inputs, "runs", *told])
        return known[key]

    def remembered_text(self, what: str, make: Callable[[], str]) -> str:
        """`make()`, which nothing decides but the scores and records of all runs, or what it gave before."""
        inputs = self.made_from()
        return self.cache.remember_text(what, [inputs], make) if inputs else make()

    @property
    def stages(self) -> list[tuple[str, str]]:
        """Dataset and stage of what is scored, as they come in the rows."""
        if self.as_read is not None:
            return list(self.sources.stages)
        both = self.rows[["dataset", "stage"]].drop_duplicates()
        return list(both.itertuples(index=False, name=None))
