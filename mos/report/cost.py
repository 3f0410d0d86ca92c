"""What the trainings cost: time, memory, parameters, by run.json and metric.jsonl."""

import csv
import io
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING

from mos.report.cache import Cache
from mos.report.remembered import remembered
from mos.report.run_record import Run

if TYPE_CHECKING:
    from mos.report.collection import Collection

Costs = dict[tuple[str, str], "CostLine"]  # by dataset and run name


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """One run name of a dataset, all its folds. nan stands for what no file tells."""

    dataset: str
    run: str
    parameters: float  # the largest of the folds, where they differ
    epochs: int  # done, in all folds
    epoch_seconds: float  # median over all training epochs
    samples_per_second: float  # of training: all samples by all its seconds
    total_hours: float  # training and validation of all folds
    peak_memory: float  # MiB, the highest of all epochs
    case_seconds: float  # of predicting and scoring one case, median over the test epochs
    machines: tuple[str, ...]  # where: cost on another machine is another cost


def cost_lines(runs: Sequence[Run], cache: Cache | None = None) -> list[CostLine]:
    """One line per dataset and run name, sorted as the tables are; kept in the pack of its dataset."""
    groups = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.dataset, run.order, run.fold)):
        groups[run.dataset, run.name].append(run)
    cache = cache or Cache(None)
    found = []
    for (dataset, name), folds in groups.items():
        about = [
            (run.epochs_done, run.record.get("parameters"), _machine(run), run.log.digest)
            for run in folds
        ]
        make = partial(_line, dataset, name, folds)
        inputs = [repr((dataset, name, about))]
        found.append(remembered(cache, "cost", inputs, make, [CostLine], pack=dataset))
    return found


def costs_of(collection: "Collection") -> Costs:
    """The cost of every run name, for the tables that show it beside scores."""
    lines = cost_lines(collection.runs, collection.cache)
    return {(line.dataset, line.run): line for line in lines}


def epoch_facts(run: Run) -> list[tuple[str, str]]:
    """What an epoch of this training takes, as (title, text)."""
    found = []
    if seconds := _numbers([run], "train", "seconds"):
        found.append(("training epoch", f"{statistics.median(seconds):.4g} s (median)"))
    if memory := _numbers([run], "train", "peak_memory_mib"):
        found.append(("peak memory", f"{max(memory):.4g} MiB"))
    return found


def _line(dataset: str, name: str, folds: Sequence[Run]) -> CostLine:
    per_case = [
        line["seconds"] / line["cases"]
        for run in folds
        for line in run.log.get("test", {}).values()
        if _is_number(line.get("seconds")) and _is_number(line.get("cases")) and line["cases"]
    ]
    spent = [s for stage in ("train", "valid", "test") for s in _numbers(folds, stage, "seconds")]
    parameters = [run.record.get("parameters") for run in folds]
    return CostLine(
        dataset=dataset,
        run=name,
        parameters=_or_nan(max, filter(_is_number, parameters)),
        epochs=sum(run.epochs_done for run in folds),
        epoch_seconds=_or_nan(statistics.median, _numbers(folds, "train", "seconds")),
        samples_per_second=samples_per_second(folds),
        total_hours=_or_nan(sum, spent) / 3600,
        peak_memory=_or_nan(max, _numbers(folds, "train", "peak_memory_mib")),
        case_seconds=_or_nan(statistics.median, per_case),
        machines=tuple(sorted({text for run in folds if (text := _machine(run))})),
    )


def cost_csv(costs: Costs) -> str:
    """cost.csv: one row per run of a dataset, an empty cell where no file tells."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(CostLine))
    for line in costs.values():
        *numbers, machines = astuple(line)
        table.writerow([*("" if x != x else x for x in numbers), "; ".join(machines)])
    return text.getvalue()


def samples_per_second(folds: Sequence[Run]) -> float:
    """Samples a second of training, over the epochs that tell both; nan where none does."""
    lines = [line for run in folds for line in run.log.get("train", {}).values()]
    known = [(line.get("samples"), line.get("seconds")) for line in lines]
    known = [pair for pair in known if all(map(_is_number, pair))]
    seconds = sum(second for _, second in known)
    return sum(count for count, _ in known) / seconds if seconds else float("nan")


def _numbers(runs: Iterable[Run], stage: str, key: str) -> list[float]:
    lines = (line for run in runs for line in run.log.get(stage, {}).values())
    return [line[key] for line in lines if _is_number(line.get(key))]


def _or_nan(choose, values: Iterable[float]) -> float:
    values = list(values)
    return float(choose(values)) if values else float("nan")


def _is_number(value: object) -> bool:
    return type(value) in (int, float)  # bool is another type; asked very often


def _machine(run: Run) -> str:
    """`CPU, fp32, 1 thread`; "" where run.json does not tell."""
    machine = run.record.get("machine")
    if not isinstance(machine, dict) or not machine.get("device"):
        return ""
    parts = [str(machine["device"]), str(machine.get("precision") or "")]
    threads, processes = machine.get("threads"), machine.get("processes")
    if "cpu" in parts[0].lower() and threads:
        parts.append(f"{threads} thread{'s' if threads != 1 else ''}")
    if isinstance(processes, int) and processes > 1:
        parts.append(f"{processes} processes")
    return ", ".join(filter(None, parts))
