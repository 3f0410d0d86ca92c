"""Training a segmentation run: from checked options to a finished run folder."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mos.data.bundle import Bundle, open_bundle
from mos.engine import checkpoint, metric_log
from mos.engine.device import Machine, choose_machine, device_type
from mos.engine.distributed import processes
from mos.engine.epochs import EpochPlan, plan_epochs
from mos.engine.fit import fit
from mos.engine.lock import RunLock
from mos.engine.record import file_hash, now, read_record, surroundings, write_record
from mos.engine.task import Task
from mos.errors import BadInput
from mos.folders import dataset_path, setting_folder
from mos.options import parse_increase
from run.baseline.model_arguments import ModelArguments
from run.baseline.phantom import ensure
from run.baseline.task import Labels, labels_for, make_task, typical_spacing

TASK = "baseline"


def train(options: ModelArguments, texts: Mapping[str, str], layers: Mapping[str, str]) -> None:
    """Trains, or goes on training, the run the options name.

    Args:
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
        )
        group.on_first(lambda: ensure(options.train_dataset))
        bundle, labels, task = group.together(lambda: _open(options, machine))
        run = setting_folder(TASK, options.train_dataset) / options.run_name

        def start() -> tuple[EpochPlan, dict[str, Any]]:
            held.enter_context(RunLock(run))
            checkpoint.sweep(run)
            record = _prepare(run, options, bundle, labels, task, texts, layers)
            plan = _plan(run, options, record)
            _announce(run, options, bundle, labels, task, machine, plan, record)
            return plan, record

        plan, record = group.on_first(start)
        started = time.monotonic()
        fit(
            task,
            run,
            plan,
            schedule_epochs=record["schedule_epochs"],
            options=options,
            machine=machine,
            processes=group,
        )
        if group.is_first:
            seconds = record["seconds"] + round(time.monotonic() - started, 1)
            write_record(run, record | {"finished": now(), "seconds": seconds, "pending": None})
            _report(run)


def _open(options: ModelArguments, machine: Machine) -> tuple[Bundle, Labels, Task]:
    bundle = open_bundle(dataset_path(TASK, options.train_dataset))
    labels = labels_for(options, bundle)
    return bundle, labels, make_task(options, bundle, labels, machine)


def _prepare(
    run: Path,
    options: ModelArguments,
    bundle: Bundle,
    labels: Labels,
    task: Task,
    texts: Mapping[str, str],
    layers: Mapping[str, str],
) -> dict[str, Any]:
    """The record of the run as it now starts, after checking that it is still the same run."""
    old = read_record(run)
    identity = {
        "model": options.model,
        "dims": options.dims,
        "label_count": labels.count,
        "channels": list(options.model_channels),
        "norm": options.norm,
        "train_labels": list(labels.train),
    }
    sha = file_hash(bundle.path)
    if old and checkpoint.last_epoch(run):
        _check_same_run(run, old, identity, sha, options)
    record = {
        "name": run.name,
        "task": TASK,
        "setting": options.train_dataset,
        "network": options.model,
        "tag": options.tag,
        "dims": options.dims,
        "aux": options.aux_dataset,
        "postfix": options.dir_postfix,
        "note": options.note or old.get("note", ""),
        "seed": options.seed,
        "identity": identity,
        "labels": {str(i): name for i, name in labels.names.items()},
        "label_count": labels.count,
        "train_labels": list(labels.train),
        "eval_labels": list(labels.evaluate),
        "spacing": list(typical_spacing(bundle, options.dataset_spacing)),
        "in_channels": bundle.channels,
        "preparation": bundle.manifest.get("preparation"),
        "dataset": {
            "name": options.train_dataset,
            "path": str(bundle.path),
            "sha256": sha,
            "cases": {
                name.removesuffix("3d"): len(listed) for name, listed in bundle.cases.items()
            },
        },
        "parameters": sum(p.numel() for p in task.network.parameters()),
        "options": dict(texts),
        "layers": dict(layers),
        **surroundings(),
        # The schedule keeps the length of the first start, so extending a run never bends it.
        "schedule_epochs": options.schedule_epochs
        or (checkpoint.last_epoch(run) and old.get("schedule_epochs"))
        or options.epoch_count,
        "pending": old.get("pending"),
        "target_epoch": options.epoch_count,
        "seconds": old.get("seconds", 0),
        "starts": [
            *old.get("starts", []),
            {"time": now(), "after_epoch": checkpoint.last_epoch(run)},
        ],
    }
    return record


def _check_same_run(
    run: Path,
    old: Mapping[str, Any],
    identity: Mapping[str, Any],
    sha: str,
    options: ModelArguments,
) -> None:
    before = old.get("identity", {})
    changed = [
        f"{key} {before.get(key)} -> {value}"
        for key, value in identity.items()
        if before.get(key) != value
    ]
    if changed:
        raise BadInput(
            f"{run}: was trained with another {'; '.join(changed)}. Give the old values again, or begin a run "
            "of its own with --dir_postfix '[name]'"
        )
    if old.get("dataset", {}).get("sha256") != sha:
        raise BadInput(
            f"{run}: its dataset file {options.train_dataset} has changed since the run began, so its epochs could "
            "not be compared. Put the old file back, or begin a run of its own with --dir_postfix '[name]'"
        )


def _plan(run: Path, options: ModelArguments, record: dict[str, Any]) -> EpochPlan:
    """Which epochs to run; what is on disk of them is moved aside first.

    `--start_epoch` and `--increase_epoch` count from what is done when they are first given, so the
    record keeps what they came to until it is done: given again after a kill, the command goes on
    with it instead of adding on top. `aside` says that the old epochs are out of the way.
    """
    done = checkpoint.last_epoch(run)
    asked = {"start": options.start_epoch, "increase": options.increase_epoch}
    asked |= {"epoch_count": options.epoch_count}
    pending = record["pending"] or {}
    if pending.get("asked") == asked:
        first, last = pending["first"], pending["last"]
        plan = EpochPlan(done + 1 if pending["aside"] else first, last)
    else:
        plan = plan_epochs(
            done=done,
            epoch_count=options.epoch_count,
            start_epoch=options.start_epoch,
            increase=parse_increase(options.increase_epoch) if options.increase_epoch else None,
        )
        plan = _from_stored(run, plan) if plan.first <= done else plan
        if plan.first == 1:
            record["schedule_epochs"] = options.schedule_epochs or options.epoch_count
    special = options.start_epoch or options.increase_epoch
    state = {"asked": asked, "first": plan.first, "last": plan.last}
    record["pending"] = state | {"aside": False} if special else None
    record["target_epoch"] = max(plan.last, plan.resume_from)
    write_record(run, record)
    grave = checkpoint.grave_folder(run)
    metric_log.drop_lines(run, plan.first, grave)
    if checkpoint.set_aside(run, plan.first, grave):
        print(f"epochs from {plan.first} on are done again; the old ones went to {grave}")
    if special:
        record["pending"] = state | {"aside": True}
        write_record(run, record)
    return plan


def _from_stored(run: Path, plan: EpochPlan) -> EpochPlan:
    """Moves the start back to just after an epoch whose weights are still there."""
    earlier = [epoch for epoch in checkpoint.stored_epochs(run) if epoch <= plan.resume_from]
    resume = earlier[-1] if earlier and plan.resume_from else 0
    if resume != plan.resume_from:
        print(
            f"the weights of epoch {plan.resume_from} are not stored: going back to epoch {resume}"
        )
    return EpochPlan(resume + 1, plan.last)


def _announce(
    run: Path,
    options: ModelArguments,
    bundle: Bundle,
    labels: Labels,
    task: Task,
    machine: Machine,
    plan: EpochPlan,
    record: Mapping[str, Any],
) -> None:
    counts = ", ".join(f"{name} {count}" for name, count in record["dataset"]["cases"].items())
    print(f"run      {run}")
    print(
        f"data     {bundle.path.name}: volumes {counts}; training samples {len(task.datasets['train'])}"
    )
    print("labels   " + ", ".join(f"{label} {labels.names[label]}" for label in labels.train))
    print(
        f"network  {options.model} {options.dims}-D, {options.norm} norm, {record['parameters'] / 1e6:.2f} M parameters"
    )
    print(f"machine  {machine.describe()}")
    if plan.first > plan.last:
        print(
            f"nothing to train: epoch {plan.resume_from} is done. --increase_epoch 10 trains 10 more"
        )
    else:
        print(f"epochs   {plan.first}-{plan.last}, {options.batch_size} samples a step", flush=True)


def _report(run: Path) -> None:
    best = run / "best"
    if best.exists():
        lines = {(line["epoch"], line["stage"]): line for line in metric_log.read_lines(run)}
        epoch = int(best.resolve().name.removeprefix("epoch-"))
        for stage in ("valid", "test"):
            line = lines.get((epoch, stage))
            if line:
                values = "  ".join(
                    f"{key} {_shown(line.get(key))}" for key in ("dice", "iou", "hd", "msd")
                )
                print(
                    f"best epoch {epoch}, {stage}: {values}  missed {line['missed']}  invented {line['invented']}"
                )
        print(f"stored in {run}; .scripts/baseline/cmd/summary makes the report")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
