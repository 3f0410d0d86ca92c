"""The options of commands that score stored runs: which runs, and where to compute."""

from dataclasses import dataclass

from mos.arguments import option
from mos.errors import BadInput
from mos.stored_options import Precision, RunsOptions


@dataclass(frozen=True, kw_only=True)
class ScoringArguments(RunsOptions):
    """Runs and machine; a command adds what it scores."""

    jobs: int = option(0, "processes; 0: one for each core, or one where a GPU computes")
    device: str = option("auto", "auto, cpu, cuda or cuda:1")
    precision: Precision = option(
        "auto",
        "auto: as the run was trained, or fp32 where this device cannot",
    )
    threads: int = option(0, "CPU threads of each process; 0: the cores shared out")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if self.jobs < 0:
            raise BadInput(f"--jobs {self.jobs}: needs 0 or more")
