"""A training run, from checked options to a finished folder: the same steps for every task."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mos.engine import checkpoint, metric_log
from mos.engine.device import Machine, choose_machine, device_type, layout
from mos.engine.distributed import processes
from mos.engine.epochs import EpochPlan
from mos.engine.fit import fit
from mos.engine.identity import check_same_run, say_changes
from mos.engine.lock import RunLock
from mos.engine.record import now, read_record, surroundings, write_record
from mos.engine.resume import settle
from mos.engine.start import Part, choose_weights, describe_weights
from mos.engine.task import Task
from mos.folders import BEST, epoch_number
from mos.options import TrainingOptions

Line = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a task package makes of its options and dataset files."""

    task: Task
    # What `run.json` says beyond what every run's does; asked by the first process alone, for it may hash
    # large files. It needs `task`, `setting`, `labels` (number as text: name), `label_count`, `in_channels`,
    # `dataset` and perhaps `aux_datasets` (`name`, `sha256`).
    record: Callable[[], Mapping[str, Any]]
    identity: Mapping[str, Any]  # what builds the network and decides a score: fixed within a run
    since: Mapping[str, Any]  # what runs had before these became part of an identity
    lines: Sequence[str]  # what the console says of data and network
    place: str  # where the data is, for the console's line on the machine
    outputs: str  # what a head of n channels tells n of: "points apart"
    scores: Callable[[Line], str]  # a validation or test line of `metric.jsonl` as a user reads it
    part: Part | None = None  # pretrained weights for a part of the network


def train_run(
    run: Path,
    options: TrainingOptions,
    *,
    prepare: Callable[[], None],
    open_run: Callable[[Machine], Opened],
    texts: Mapping[str, str],
    layers: Mapping[str, str],
) -> None:
    """Trains, or goes on training, a run.

    Args:
        run: its folder.
        prepare: makes what is not there yet, such as a built-in dataset; called once, by the first process.
        open_run: opens the datasets and builds the task, on every process.
        texts, layers: every option as text, and which layer set it, for `run.json`.

    Raises:
        BadInput: anything the user can mend; whole epochs on disk stay as they are.
    """
    with processes(device_type(options.device)) as group, ExitStack() as held:
        machine = choose_machine(
            options.device,
            options.precision,
            options.threads,
            options.deterministic,
            group.local_rank,
            group.local_world,
            compiled=options.compile == "on",
        )
        group.on_first(prepare)
        opened = group.together(lambda: open_run(machine))

        def start() -> tuple[EpochPlan, dict[str, Any]]:
            held.callback(_remove_if_empty, run)
            held.enter_context(RunLock(run))
            checkpoint.sweep(run)
            record = _make_record(run, options, opened, machine, group.world, texts, layers)
            before = record["weights_from"]

            def ready(plan: EpochPlan) -> None:
                record["weights_from"] = choose_weights(
                    run,
                    options,
                    plan,
                    opened.task.network,
                    record,
                    before,
                    opened.outputs,
                    opened.part,
                )

            plan = settle(run, options, record, ready)
            _announce(run, options, opened, machine, plan, record)
            return plan, record

        plan, record = group.on_first(start)
        last = fit(
            opened.task,
            run,
            plan,
            schedule_epochs=record["schedule_epochs"],
            options=options,
            machine=machine,
            processes=group,
            moments=_moments(plan, record),
        )
        if group.is_first:
            lines = metric_log.read_lines(run)
            seconds = round(sum(line.get("seconds", 0) for line in lines), 1)
            # Where patience ran out the run is as long as it was to be.
            done = {"finished": now(), "seconds": seconds, "pending": None, "target_epoch": last}
            write_record(run, record | done)
            _report(run, record["task"], lines, opened)


def _make_record(
    run: Path,
    options: TrainingOptions,
    opened: Opened,
    machine: Machine,
    process_count: int,
    texts: Mapping[str, str],
    layers: Mapping[str, str],
) -> dict[str, Any]:
    """The record of the run as it now starts.

    Raises:
        BadInput: the run has epochs that these options could not have made.
    """
    old = read_record(run)
    new = {**opened.record(), "identity": dict(opened.identity)}
    done = checkpoint.last_epoch(run)
    if done and options.start_epoch != 1:  # 1 starts over: nothing of the old run remains
        check_same_run(run, old, new, opened.since)
        say_changes(old, texts)
    start = {"time": now(), "after_epoch": done, "options": dict(texts), "layers": dict(layers)}
    return {
        "name": run.name,
        "tag": options.tag,
        "postfix": options.dir_postfix,
        "note": options.note or old.get("note", ""),
        "seed": options.seed,
        **new,
        "parameters": sum(p.numel() for p in opened.task.network.parameters()),
        "machine": machine.record() | {"processes": process_count},
        "options": dict(texts),
        "layers": dict(layers),
        **surroundings(),
        # The schedule keeps the length of the first start, so extending a run never bends it.
        "schedule_epochs": options.schedule_epochs
        or (done and old.get("schedule_epochs"))
        or options.epoch_count,
        "pending": old.get("pending"),
        "weights_from": old.get("weights_from"),
        "target_epoch": options.epoch_count,
        "starts": [*old.get("starts", []), start],
    }


def _remove_if_empty(run: Path) -> None:
    """A start that was refused leaves no folder behind."""
    for folder in (run, run.parent):
        with suppress(OSError):
            folder.rmdir()


def _moments(plan: EpochPlan, record: Mapping[str, Any]) -> Path | None:
    """The state file a new training takes its optimiser moments from."""
    path = (record["weights_from"] or {}).get("optimizer")
    return Path(path) if path and not plan.resume_from else None


def _announce(
    run: Path,
    options: TrainingOptions,
    opened: Opened,
    machine: Machine,
    plan: EpochPlan,
    record: Mapping[str, Any],
) -> None:
    print(f"run      {run}")
    for line in (*opened.lines, *describe_weights(record, plan)):
        print(line)
    print(f"machine  {machine.describe(layout(opened.task.network), opened.place)}")
    if plan.first > plan.last:
        print(
            f"nothing to train: epoch {plan.resume_from} is done. --increase_epoch 10 trains 10 more"
        )
        return
    length, key = record["schedule_epochs"], opened.task.best[0]
    over = f"; the learning rate stays where epoch {length} ends" if plan.last > length else ""
    if options.patience and not options.increase_epoch:
        over += f"; fewer after {options.patience} without a better valid {key}"
    batches = f"{options.batch_size} samples a batch"
    print(f"epochs   {plan.first}-{plan.last}, {batches}{over}", flush=True)


def _report(run: Path, task: str, lines: Sequence[Line], opened: Opened) -> None:
    """The scores of the best epoch, and where everything is."""
    if not (run / BEST).exists():
        return
    best = epoch_number((run / BEST).resolve())
    for line in lines:
        if line["epoch"] == best and line["stage"] in ("valid", "test"):
            print(f"best epoch {best}, {line['stage']}: {opened.scores(line)}")
    print(f"stored in {run}; .scripts/{task}/cmd/summary makes the report")
