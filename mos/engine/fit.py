"""The loop: train an epoch, save it, score it, report it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from mos.engine import checkpoint, metric_log
from mos.engine.board import Board
from mos.engine.device import Machine
from mos.engine.distributed import Processes
from mos.engine.epochs import EpochPlan
from mos.engine.evaluate import evaluate, summarise
from mos.engine.optimizer import load_moments, make_optimizer
from mos.engine.patience import why_stop
from mos.engine.profiler import EVALUATE, TRAIN, make_profiler
from mos.engine.task import Task
from mos.engine.train import train_epoch
from mos.engine.warm_start import bring_moments
from mos.errors import BadInput
from mos.folders import STATE, epoch_folder, metric_file
from mos.options import TrainingOptions
from mos.timing import phase

EVALUATED = ("valid", "test")


def fit(
    task: Task,
    run: Path,
    plan: EpochPlan,
    *,
    schedule_epochs: int,
    options: TrainingOptions,
    machine: Machine,
    processes: Processes,
    moments: Path | None = None,
) -> int:
    """Trains the planned epochs into the run folder, going on from the stored epoch before them.

    Args:
        moments: a `state.pt` whose optimiser moments a new training starts with.

    Returns:
        The last epoch there is now: that of the plan, or an earlier one where `--patience` ran out.

    Raises:
        BadInput: a loss is not finite, or the disk is full; whole epochs stay.
    """
    optimizer = make_optimizer(task.network, options.learning_rate, options.weight_decay)
    scaler = machine.scaler()
    first = processes.is_first
    profiler = make_profiler(options.use_profile and first, run / "logs", plan, machine)
    with Board(run / "logs" if first else None, plan.first) as board, checkpoint.Saver() as saver:
        if plan.resume_from:
            processes.together(
                lambda: _resume(task, run, plan.resume_from, optimizer, scaler, first)
            )
            _finish_epoch(task, run, plan.resume_from, machine, processes, board)
        elif moments is not None:
            processes.together(lambda: bring_moments(moments, optimizer))
        # The first process alone may have loaded weights to start from.
        processes.same_weights(task.network)
        network = machine.compile(processes.wrap(task.network, machine.device))
        for epoch in range(plan.first, plan.last + 1):
            if options.patience and processes.on_first(
                lambda: _stops_early(task, run, epoch - 1, options)
            ):
                return epoch - 1
            with profiler.epoch(epoch):
                with profiler.part(TRAIN, task.network):
                    table, line = train_epoch(
                        task,
                        network,
                        optimizer,
                        scaler,
                        epoch=epoch,
                        schedule_epochs=schedule_epochs,
                        options=options,
                        machine=machine,
                        processes=processes,
                    )
                # Norm statistics are each process's own while training; the stored ones are rank 0's.
                processes.same_weights(task.network)
                state = {
                    "epoch": epoch,
                    "optimizer": optimizer.state_dict(),
                    "scaler": scaler.state_dict(),
                    "line": line,
                }
                with profiler.part(EVALUATE, task.network):
                    if first:
                        saver.begin(run, epoch, task.network, state, table)
                    _finish_epoch(
                        task, run, epoch, machine, processes, board, saved=saver.wait, line=line
                    )
                pictures = options.log_every_n_epochs
                if pictures and epoch % pictures == 0 and first:
                    board.picture(task, machine, epoch)
    return max(plan.last, plan.resume_from)


def _stops_early(task: Task, run: Path, epoch: int, options: TrainingOptions) -> bool:
    """Whether patience has run out with `epoch`, and says so."""
    reason = why_stop(metric_log.read_lines(run), epoch, *task.best, options)
    if reason:
        print(reason, flush=True)
    return bool(reason)


def _resume(task: Task, run: Path, epoch: int, optimizer: Any, scaler: Any, first: bool) -> None:
    """Brings back weights, optimiser moments and loss scale; the rest is a function of the epoch."""
    folder = epoch_folder(run, epoch)
    checkpoint.load_weights(task.network, folder)
    if first:
        # A run killed between naming an epoch and linking it left the link at the epoch before.
        checkpoint.point_latest(run, epoch)
    state = checkpoint.load_state(folder)
    if state is None:
        if first:
            print(
                f"epoch {epoch} has weights but no optimiser state (thinned out): its moments start anew"
            )
        return
    # Moments are brought back; rate, decay and the like are those of the options now given.
    problem = load_moments(optimizer, state["optimizer"])
    if problem:
        raise BadInput(f"{folder / STATE}: {problem}; delete it, and its moments start anew")
    scaler.load_state_dict(state["scaler"])


def _finish_epoch(
    task: Task,
    run: Path,
    epoch: int,
    machine: Machine,
    processes: Processes,
    board: Board,
    *,
    saved: Callable[[], None] = lambda: None,
    line: dict[str, Any] | None = None,
) -> None:
    """Scores an epoch, as far as that is not done yet; repeating it changes nothing.

    Args:
        saved: returns when the epoch is on disk; its folder is not touched before.
        line: of its training, for the log; None: as it was stored.
    """
    folder = epoch_folder(run, epoch)
    said = processes.on_first(
        lambda: {line["stage"] for line in metric_log.read_lines(run) if line["epoch"] == epoch}
    )
    lines: dict[str, Any] = {}

    def say(stage: str, line: dict[str, Any]) -> None:
        if stage not in said | lines.keys():
            lines[stage] = line
            metric_log.append_line(run, epoch, stage, line)

    def say_training() -> None:
        saved()
        if "train" not in said | lines.keys():
            trained = line or (checkpoint.load_state(folder) or {}).get("line")
            if trained is not None:
                say("train", trained)

    def close() -> None:
        say_training()
        choose_best(run, *task.best)
        checkpoint.thin_out(run)
        board.scalars(epoch, lines)
        if lines:
            print(_epoch_text(task, epoch, lines), flush=True)

    for stage in EVALUATED:
        if len(task.datasets[stage]):
            _score(task, folder, stage, machine, processes, say_training, say)
    with phase("saving"):
        processes.on_first(close)


def _score(
    task: Task,
    folder: Path,
    stage: str,
    machine: Machine,
    processes: Processes,
    ready: Callable[[], None],
    say: Callable[[str, dict[str, Any]], None],
) -> None:
    """Evaluates one split, unless its metric file is there already, and says its line.

    Args:
        ready: called before the file is written or read.
    """
    path = metric_file(folder, stage)
    timing: dict[str, float] = {}
    table = None
    if not processes.from_first(path.exists()):
        started = time.monotonic()
        table = evaluate(task, stage, machine, processes, f"{folder.name} {stage}")
        timing = {"seconds": round(time.monotonic() - started, 3)}

    def store() -> None:
        ready()
        if table is not None:
            checkpoint.save_table(path, table)
        say(stage, summarise(checkpoint.load_table(path)) | timing)

    with phase("saving"):
        processes.on_first(store)


def choose_best(run: Path, key: str, mode: Literal["max", "min"]) -> None:
    """Points `best` to the best validated epoch; to the last stored where nothing can be validated."""
    stored = checkpoint.stored_epochs(run)
    # From the metric files and not from the log: those are there for as long as the weights.
    files = {epoch: metric_file(epoch_folder(run, epoch), "valid") for epoch in stored}
    lines = [
        {"epoch": epoch, "stage": "valid", **summarise(checkpoint.load_table(file))}
        for epoch, file in files.items()
        if file.exists()
    ]
    best = metric_log.best_epoch(lines, stored, key, mode)
    checkpoint.point_best(run, best if best is not None else stored[-1])


def _epoch_text(task: Task, epoch: int, lines: dict[str, Any]) -> str:
    """The one line a user reads while training."""
    key = task.best[0]
    parts = [f"epoch {epoch}"]
    if "train" in lines:
        parts.append(f"loss {lines['train']['loss']:.4f}  {lines['train']['seconds']:.1f} s")
    for stage in EVALUATED:
        if stage in lines:
            value = lines[stage].get(key)
            parts.append(f"{stage} {key} " + ("none scored" if value is None else f"{value:.4f}"))
    return "  ".join(parts)
