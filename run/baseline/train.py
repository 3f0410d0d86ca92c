"""Training a segmentation run: from checked options to a finished run folder."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from mos.data.bundle import Bundle
from mos.engine import checkpoint, metric_log
from mos.engine.device import Machine, choose_machine, device_type, layout
from mos.engine.distributed import processes
from mos.engine.epochs import EpochPlan
from mos.engine.fit import fit
from mos.engine.lock import RunLock
from mos.engine.record import now, write_record
from mos.engine.resume import settle
from mos.engine.task import Task
from mos.folders import BEST, epoch_number, setting_folder
from mos.networks.table import NETWORKS
from run.baseline.labels import Labels
from run.baseline.model_arguments import TASK, ModelArguments
from run.baseline.record import make_record
from run.baseline.sets import describe_sets, ensure_sets, open_sets
from run.baseline.start import choose_weights, describe_weights
from run.baseline.task import make_task


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
            compiled=options.compile == "on",
        )
        group.on_first(lambda: ensure_sets(options))
        bundle, aux, labels, task = group.together(lambda: _open(options, machine))
        run = setting_folder(TASK, options.train_dataset) / options.run_name

        def start() -> tuple[EpochPlan, dict[str, Any]]:
            held.callback(_remove_if_empty, run)
            held.enter_context(RunLock(run))
            checkpoint.sweep(run)
            record = make_record(
                run, options, bundle, aux, labels, task, machine, group.world, texts, layers
            )
            before = record["weights_from"]

            def ready(plan: EpochPlan) -> None:
                record["weights_from"] = choose_weights(
                    run, options, plan, task.network, record, before
                )

            plan = settle(run, options, record, ready)
            _announce(run, options, bundle, aux, labels, task, machine, plan, record)
            return plan, record

        plan, record = group.on_first(start)
        fit(
            task,
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
            write_record(run, record | {"finished": now(), "seconds": seconds, "pending": None})
            _report(run, lines)


def _open(
    options: ModelArguments, machine: Machine
) -> tuple[Bundle, dict[str, Bundle], Labels, Task]:
    bundle, aux, labels = open_sets(options)
    return bundle, aux, labels, make_task(options, bundle, labels, machine, aux)


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
    options: ModelArguments,
    bundle: Bundle,
    aux: Mapping[str, Bundle],
    labels: Labels,
    task: Task,
    machine: Machine,
    plan: EpochPlan,
    record: Mapping[str, Any],
) -> None:
    million = record["parameters"] / 1e6
    print(f"run      {run}")
    print("\n".join(describe_sets(options, bundle, aux, labels, task)))
    print("labels   " + ", ".join(f"{label} {labels.names[label]}" for label in labels.train))
    norm = f", {options.norm} norm" if "norm" in NETWORKS[options.model].takes else ""
    print(f"network  {options.model} {options.dims}-D{norm}, {million:.2f} M parameters")
    for line in describe_weights(record, plan):
        print(line)
    on_gpu = task.datasets["train"].voxels.type == "cuda"
    place = "data on the GPU" if on_gpu else "data mapped from its file"
    print(f"machine  {machine.describe(layout(task.network), place)}")
    if plan.first > plan.last:
        print(
            f"nothing to train: epoch {plan.resume_from} is done. --increase_epoch 10 trains 10 more"
        )
    else:
        length = record["schedule_epochs"]
        over = f"; the learning rate stays where epoch {length} ends" if plan.last > length else ""
        batches = f"{options.batch_size} samples a batch"
        print(f"epochs   {plan.first}-{plan.last}, {batches}{over}", flush=True)


def _report(run: Path, lines: list[dict[str, Any]]) -> None:
    """The scores of the best epoch, and where everything is."""
    if not (run / BEST).exists():
        return
    best = epoch_number((run / BEST).resolve())
    for line in lines:
        if line["epoch"] == best and line["stage"] in ("valid", "test"):
            scores = (f"{key} {_shown(line.get(key))}" for key in ("dice", "iou", "hd", "msd"))
            counts = f"missed {line['missed']}  invented {line['invented']}"
            print(f"best epoch {best}, {line['stage']}: {'  '.join(scores)}  {counts}")
    print(f"stored in {run}; .scripts/baseline/cmd/summary makes the report")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
