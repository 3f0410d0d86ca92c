"""How an author wants the LaTeX tables: metrics, digits, spread, display names, captions, labels."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mos.report.latex_table import Layout
from mos.report.latex_text import escape
from mos.report.metric import BY_KEY

KINDS = ("overview", "folds", "labels", "counts", "pairs", "matrix", "ranking", "zeroshot", "seeds")
SPREADS = ("sd", "interval", "none")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A metric as the tables print it."""

    key: str
    title: str  # LaTeX, without arrow and unit
    unit: str
    factor: float
    digits: int
    higher_is_better: bool

    @property
    def header(self) -> str:
        r"""`HD95 (mm) $\downarrow$`"""
        arrow = r"$\uparrow$" if self.higher_is_better else r"$\downarrow$"
        return f"{self.title} ({self.unit}) {arrow}" if self.unit else f"{self.title} {arrow}"


@dataclass(frozen=True, kw_only=True)
class Style:
    """Everything about the tables that is a matter of taste or of the paper."""

    metrics: tuple[tuple[str, ...], ...] = (("dice", "iou"), ("msd", "hd"))  # one overview each
    percent: bool = False
    spread: str = "sd"  # one of SPREADS
    names: Mapping[str, str] = field(default_factory=dict)  # a user's name -> LaTeX to show for it
    captions: Mapping[str, str] = field(default_factory=dict)  # one of KINDS -> LaTeX
    label: str = "tab:"
    columns: tuple[str, ...] = ()  # of dims, aux: these in columns of the overview, not in rows
    costs: tuple[str, ...] = ()  # fields of CostLine, columns of the overview
    runs: tuple[str, ...] = ()  # names, * for anything; in this order; () is all
    layout: Layout = Layout()

    @property
    def keys(self) -> list[str]:
        """All metrics, each once, in the order given."""
        return list(dict.fromkeys(key for group in self.metrics for key in group))

    def shown(self, key: str) -> Shown:
        """How to print the metric `key`."""
        metric = BY_KEY[key]
        percent = self.percent and not metric.unit  # a share or ratio
        return Shown(
            key=key,
            title=escape(metric.title),
            unit=r"\%" if percent else escape(metric.unit),
            factor=100.0 if percent else 1.0,
            digits=metric.digits - 2 if percent else metric.digits,
            higher_is_better=metric.higher_is_better,
        )

    def name(self, text: str) -> str:
        """A user's name as LaTeX: what the author calls it, else escaped."""
        return self.names[text] if text in self.names else escape(text)

    def place(self, run: str) -> int | None:
        """Where `runs` puts a run: the first pattern that fits; None where none does."""
        if not self.runs:
            return 0
        return next((i for i, pattern in enumerate(self.runs) if self.fits(pattern, run)), None)

    @staticmethod
    def fits(pattern: str, run: str) -> bool:
        """Whether a run's name fits; `*` is anything, brackets are themselves, since names have them."""
        return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), run) is not None
