"""What tables say of a run besides its scores: the kinds of its notices, its epochs, its folds."""

from collections.abc import Sequence

from mos.report import table
from mos.report.cost import CostLine, Costs
from mos.report.notice import Notice
from mos.report.run_record import Run

FOLDS = 5  # a dataset is split into five rotations


class Flags:
    """What the tables say below a run's name: the kinds of its notices, each once."""

    def __init__(self, notices: Sequence[Notice]) -> None:
        self._by_dataset: dict[str, list[Notice]] = {}
        for notice in notices:
            self._by_dataset.setdefault(notice.dataset, []).append(notice)

    def of_run(self, run: Run) -> list[Notice]:
        """What concerns this run of this fold, and this run in all folds."""
        return [
            n
            for n in self._by_dataset.get(run.dataset, ())
            if n.run in ("", run.name) and n.setting in ("", run.setting)
        ]

    def of_dataset(self, dataset: str) -> list[Notice]:
        """What concerns a dataset or one of its runs."""
        return self._by_dataset.get(dataset, [])

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


class Facts:
    """What the tables ask of the runs behind their lines."""

    def __init__(self, runs: Sequence[Run], costs: Costs) -> None:
        self._costs = costs
        self._by_name: dict[tuple[str, str], list[Run]] = {}
        for run in runs:
            self._by_name.setdefault((run.dataset, run.name), []).append(run)
        self._by_fold = {(run.dataset, run.name, run.fold): run for run in runs}
        folds: dict[str, list[int]] = {}
        for run in runs:
            if run.fold:
                folds.setdefault(run.dataset, []).append(int(run.fold) + 1)
        self._folds = {dataset: max(FOLDS, *found) for dataset, found in folds.items()}

    def run_of(self, line: table.Line) -> Run | None:
        """The run of a line of one fold."""
        return self._by_fold.get((line.dataset, line.run, line.fold))

    def folds_of(self, line: table.Line) -> int:
        """How many folds the dataset of a line has; 0 for one that is not split, such as `xxx-all`."""
        return self._folds.get(line.dataset, 0)

    def cost_of(self, line: table.Line) -> CostLine:
        """What the trainings of a line cost."""
        return self._costs[line.dataset, line.run]

    def epochs(self, line: table.Line) -> str:
        """Epochs done by the folds of a run: `40`, or `12–40` where they differ."""
        done = [run.epochs_done for run in self._by_name[line.dataset, line.run]]
        low, high = min(done), max(done)
        return str(high) if low == high else f"{low}–{high}"
