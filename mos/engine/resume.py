"""Where a run goes on: what was asked and what is on disk become the epochs to train.

Epochs that are done again are moved aside first, and the record of the run says how far that is, so
that a kill at any moment loses nothing and the same command finishes what it began.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mos.engine import checkpoint, metric_log
from mos.engine.epochs import EpochPlan, plan_epochs
from mos.engine.record import write_record
from mos.errors import BadInput
from mos.options import TrainingOptions, parse_increase


def settle(
    run: Path,
    options: TrainingOptions,
    record: dict[str, Any],
    ready: Callable[[EpochPlan], None] = lambda plan: None,
) -> EpochPlan:
    """Says which epochs to train and clears the way for them; call it only while holding the lock.

    `--start_epoch` and `--increase_epoch` count from what is done when they are first given, so
    `record["pending"]` keeps what they came to until it is done: given again after a kill, the
    command goes on with it instead of adding on top. Its `aside` says that the old epochs are out
    of the way. The record is written, with `schedule_epochs` and `target_epoch` settled.

    Args:
        ready: called with the plan before anything is moved or written; raises BadInput to stop it.

    Raises:
        BadInput: what is asked cannot be done from what is stored.
    """
    pending = record["pending"] or {}
    if pending and not pending["aside"]:
        # Half moved: whatever is asked now, the rest goes the same way first.
        _set_aside(run, pending["first"])
        pending["aside"] = True
    done = checkpoint.last_epoch(run)
    asked = {"start": options.start_epoch, "increase": options.increase_epoch}
    asked |= {"epoch_count": options.epoch_count}
    special = bool(options.start_epoch or options.increase_epoch)
    if special and pending.get("asked") == asked:
        plan = EpochPlan(done + 1, pending["last"])
    else:
        plan = _plan(run, options, done)
    ready(plan)
    if plan.first == 1:  # a new training, with a schedule of its own
        record["schedule_epochs"] = options.schedule_epochs or options.epoch_count
    redoes = any(epoch >= plan.first for epoch in checkpoint.epoch_folders(run))
    state = {"asked": asked, "first": plan.first, "last": plan.last}
    record["pending"] = state | {"aside": not redoes} if special or redoes else None
    record["target_epoch"] = max(plan.last, plan.resume_from)
    write_record(run, record)
    if redoes:
        _set_aside(run, plan.first)
        record["pending"] = state | {"aside": True}
        write_record(run, record)
    else:
        # Lines of epochs that never came to be stored.
        metric_log.drop_lines(run, plan.first, None)
    return plan


def _plan(run: Path, options: TrainingOptions, done: int) -> EpochPlan:
    plan = plan_epochs(
        done=done,
        epoch_count=options.epoch_count,
        start_epoch=options.start_epoch,
        increase=parse_increase(options.increase_epoch) if options.increase_epoch else None,
    )
    stored = checkpoint.stored_epochs(run)
    if plan.resume_from in (0, done, *stored):
        return plan
    if options.start_epoch:
        able = ", ".join(str(epoch + 1) for epoch in (0, *stored))
        raise BadInput(
            f"--start_epoch {options.start_epoch}: the weights of epoch {plan.resume_from} are not stored "
            f"any more (latest, best and every tenth stay); possible here: {able}"
        )
    earlier = max((epoch for epoch in stored if epoch <= plan.resume_from), default=0)
    print(f"the weights of epoch {plan.resume_from} are not stored: going back to epoch {earlier}")
    return EpochPlan(earlier + 1, plan.last)


def _set_aside(run: Path, first: int) -> None:
    """Moves epochs and then their lines; stopped in between, the next start finds the lines."""
    grave = checkpoint.set_aside(run, first)
    metric_log.drop_lines(run, first, grave)
    if grave is not None:
        print(f"epochs from {first} on are done again; the old ones went to {grave}")
