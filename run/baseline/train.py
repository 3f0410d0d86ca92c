"""Training a segmentation run: from checked options to a finished run folder."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mos.data.bundle import Bundle, open_bundle
from mos.engine import checkpoint, metric_log
from mos.engine.device import Machine, choose_machine, device_type
from mos.engine.distributed import Processes, processes
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
# A run is the same run only while these stay what they were; other options may change on resuming.
IDENTITY = ("model", "dims", "label_count", "channels", "norm", "train_labels")


def train(options: ModelArguments, texts: Mapping[str, str], layers: Mapping[str, str]) -> None:
    """Trains, or goes on training, the run the options name.

    Args:
        texts, layers: every option as text, and which layer set it, for `run.json`.

    Raises:
        BadInput: anything the user can mend; whole epochs on disk stay as they are.
    """
    kind = device_type(options.device)
    with processes(kind) as group:
        machine = choose_machine(
            options.device,
            options.precision,
            options.threads,
            options.deterministic,
            group.local_rank,
            group.local_world,
        )
        if group.is_first:
            ensure(options.train_dataset)
        group.barrier()
        bundle = open_bundle(dataset_path(TASK, options.train_dataset))
        labels = labels_for(options, bundle)
        run = setting_folder(TASK, options.train_dataset) / options.run_name
        task = make_task(options, bundle, labels, machine)
        if not group.is_first:
            group.barrier()  # rank 0 holds the lock and has prepared the folder
            plan, schedule_epochs = group.from_first(None)
            _fit(task, run, plan, schedule_epochs, options, machine, group)
            return
        with RunLock(run):
            record = _prepare(run, options, bundle, labels, task, texts, layers)
            plan = _plan(run, options, record)
            _announce(run, options, bundle, labels, task, machine, plan, record)
            group.barrier()
            group.from_first((plan, record["schedule_epochs"]))
            started = time.monotonic()
            _fit(task, run, plan, record["schedule_epochs"], options, machine, group)
            seconds = record.get("seconds", 0) + round(time.monotonic() - started, 1)
            record |= {"finished": now(), "seconds": seconds, "increase": None}
            write_record(run, record)
            _report(run)


def _fit(
    task: Task,
    run: Path,
    plan: EpochPlan,
    schedule: int,
    options: ModelArguments,
    machine: Machine,
    group: Processes,
) -> None:
    fit(
        task, run, plan, schedule_epochs=schedule, options=options, machine=machine, processes=group
    )


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
        "schedule_epochs": old.get("schedule_epochs")
        or options.schedule_epochs
        or options.epoch_count,
        "increase": old.get("increase"),
        "target_epoch": options.epoch_count,
        "seconds": old.get("seconds", 0),
        "starts": [
            *old.get("starts", []),
            {"time": now(), "after_epoch": checkpoint.last_epoch(run)},
        ],
    }
    if options.schedule_epochs:
        record["schedule_epochs"] = options.schedule_epochs
    if not checkpoint.last_epoch(run):
        record["schedule_epochs"] = options.schedule_epochs or options.epoch_count
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
    """Which epochs to run; epochs that are redone are moved aside first."""
    done = checkpoint.last_epoch(run)
    pending = record["increase"] or {}
    plan = plan_epochs(
        done=done,
        epoch_count=options.epoch_count,
        start_epoch=options.start_epoch,
        increase=parse_increase(options.increase_epoch) if options.increase_epoch else None,
        pending_last=pending.get("last") if pending.get("by") == options.increase_epoch else None,
    )
    if plan.first <= done:
        plan = _from_stored(run, plan)
    record["increase"] = (
        {"by": options.increase_epoch, "last": plan.last} if options.increase_epoch else None
    )
    record["target_epoch"] = max(plan.last, plan.resume_from)
    write_record(run, record)
    if plan.first <= done:
        grave = checkpoint.set_aside(run, plan.first)
        metric_log.drop_lines(run, plan.first, grave)
        print(f"epochs {plan.first}-{done} are done again; the old ones went to {grave}")
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
