"""Which epochs to run: a pure function of what was asked and what is done."""

from dataclasses import dataclass
from typing import Literal

from mos.errors import BadInput


@dataclass(frozen=True)
class EpochPlan:
    """Train epochs `first..last`, both included; `first > last` means there is nothing to do."""

    first: int
    last: int

    @property
    def resume_from(self) -> int:
        """The epoch whose weights are loaded; 0 is the untrained network."""
        return self.first - 1


def plan_epochs(
    *,
    done: int,
    epoch_count: int,
    start_epoch: int = 0,
    increase: int | Literal["fix"] | None = None,
) -> EpochPlan:
    """Says which epochs to run.

    Args:
        done: the last epoch on disk, 0 when there is none.
        epoch_count: epochs the run should reach in all.
        start_epoch: 0 continues; n trains n, n+1, ... again from the state after n-1.
        increase: n trains n more, -n trains the last n again, "fix" goes on to the next
            multiple of 10.

    Raises:
        BadInput: the start lies beyond what is on disk, or fewer epochs are done than to redo.
    """
    if start_epoch:
        if start_epoch > done + 1:
            raise BadInput(
                f"--start_epoch {start_epoch}: only {done} epochs are done; "
                f"give --start_epoch {done + 1} or leave it out"
            )
        if start_epoch > epoch_count:
            raise BadInput(
                f"--start_epoch {start_epoch}: lies behind the last epoch asked for, {epoch_count}; "
                f"give COUNT={max(done, start_epoch)} (--epoch_count) or more"
            )
        return EpochPlan(start_epoch, epoch_count)
    if increase is None:
        return EpochPlan(done + 1, epoch_count)
    if increase == "fix":
        return EpochPlan(done + 1, max(10, -(-done // 10) * 10))
    if increase > 0:
        return EpochPlan(done + 1, done + increase)
    if -increase > done:
        raise BadInput(f"--increase_epoch {increase}: only {done} epochs are done")
    return EpochPlan(done + increase + 1, done)
