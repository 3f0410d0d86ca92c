"""Early stopping: whether the validation score has stood still for longer than the user waits."""

from collections.abc import Sequence
from typing import Literal

from mos.engine.metric_log import Line, best_epoch
from mos.options import TrainingOptions


def why_stop(
    lines: Sequence[Line],
    epoch: int,
    key: str,
    mode: Literal["max", "min"],
    options: TrainingOptions,
) -> str | None:
    """Says why no epoch follows `epoch`; None to go on.

    It follows from the log and the options alone, so a run stopped and resumed ends where it would have.
    Where nothing is validated, nothing can stand still. `--increase_epoch` asks for epochs in so many
    words and gets them; `--start_epoch` n waits from epoch n on.

    Args:
        lines: of `metric.jsonl`.
        key, mode: the score that picks an epoch.
    """
    if not options.patience or options.increase_epoch:
        return None
    best = best_epoch(lines, range(1, epoch + 1), key, mode)
    if best is None or epoch - max(best, options.start_epoch - 1) < options.patience:
        return None
    return (
        f"stops here: no better valid {key} since epoch {best} (--patience {options.patience}); "
        "--increase_epoch 10 trains 10 more all the same"
    )
