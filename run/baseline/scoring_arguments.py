"""The options of commands that score stored runs: which runs, and where to compute."""

from dataclasses import dataclass

from mos.arguments import option
from mos.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class ScoringArguments:
    """Runs and machine; a command adds what it scores."""

    run: tuple[str, ...] = option(
        (), "run folders (quote them), or a setting's folder; none: all of .checkpoint"
    )
    setting: tuple[str, ...] = option(
        (), "all runs on these datasets: acdc-0, or acdc for its folds"
    )
    jobs: int = option(0, "processes; 0: one for each core, or one where a GPU computes")
    device: str = option("auto", "auto, cpu, cuda or cuda:1")
    precision: str = option(
        "auto",
        "auto, fp32, bf16 or fp16; auto: as the run was trained, or fp32 where this device cannot",
    )
    threads: int = option(0, "CPU threads of each process; 0: the cores shared out")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if self.jobs < 0:
            raise BadInput(f"--jobs {self.jobs}: needs 0 or more")
        if self.precision not in ("auto", "fp32", "bf16", "fp16"):
            raise BadInput(f"--precision {self.precision}: needs auto, fp32, bf16 or fp16")
