"""Which stored runs a command is about: those named, those of a setting, or all."""

from collections.abc import Sequence
from pathlib import Path

from mos.report.named_runs import named_runs
from run.baseline.model_arguments import TASK


def find_runs(named: Sequence[str], settings: Sequence[str]) -> list[Path]:
    """Segmentation runs; see `mos.report.named_runs`."""
    return named_runs(TASK, named, settings, example="unet-2d-none")
