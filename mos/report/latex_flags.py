"""What a reader of a row must know: its runs' notices, and other cases, as letters with notes below."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mos.report.latex_text import escape
from mos.report.notice import Notice
from mos.report.table import Line

# Of no weight for a row's numbers, or said elsewhere.
_SILENT = frozenset(
    {"seeds", "re-evaluate", "moved", "best", "labels cut", "comparisons", "ranking"}
    | {"other cases"}  # the line itself knows, for its own stage
)
_TEXTS = {
    "broken": "a broken file is left out",
    "folds differ": "folds trained with different options",
    "no scores": "without scores, or a part of it",
    "no validation": "never validated, the last epoch is shown",
    "nsd tolerance": "NSD at another tolerance than others",
    "options changed": "options changed during the training",
    "other cases": "scored on other cases or labels than most, not compared with them",
    "split": "cases tested in several folds",
    "unfinished": "training unfinished",
}


class Flags:
    """One letter for each set of rows that the same things are to be said about, in the order of rows."""

    def __init__(
        self, lines: Sequence[Line], notices: Sequence[Notice], keys: Iterable[str] = ()
    ) -> None:
        """For `lines` of one dataset, one per run, and the metrics `keys`."""
        silent = _SILENT if "nsd" in set(keys) else _SILENT | {"nsd tolerance"}
        rows = defaultdict(list)  # kind -> the runs it is about
        for line in lines:
            for kind in _kinds(line, [n for n in notices if n.run and n.kind not in silent]):
                rows[kind].append(line.run)
        together = defaultdict(list)
        for kind, runs in rows.items():
            together[tuple(runs)].append(kind)
        order = {line.run: place for place, line in enumerate(lines)}
        self._letters = defaultdict(list)
        self._notes = []
        for number, runs in enumerate(sorted(together, key=lambda runs: [order[r] for r in runs])):
            letter = chr(ord("a") + number) if number < 26 else str(number)
            for run in runs:
                self._letters[run].append(letter)
            text = "; ".join(_TEXTS.get(kind) or escape(kind) for kind in together[runs])
            self._notes.append(rf"\textsuperscript{{{letter}}}{text[0].upper()}{text[1:]}.")

    def of(self, run: str) -> str:
        """The letters behind a run's name, as LaTeX; "" for nothing special."""
        letters = self._letters.get(run)
        return rf"\textsuperscript{{{','.join(letters)}}}" if letters else ""

    def notes(self) -> list[str]:
        """One sentence for each letter."""
        return self._notes


def _kinds(line: Line, notices: Sequence[Notice]) -> list[str]:
    kinds = {n.kind for n in notices if (n.dataset, n.run) == (line.dataset, line.run)}
    if not line.comparable and line.metrics:
        kinds.add("other cases")
    # A broken file, or a training that goes on, is why scores are lacking.
    if kinds & {"broken", "unfinished"} and line.metrics:
        kinds.discard("no scores")
    return sorted(kinds)
