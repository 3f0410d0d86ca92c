"""Entry of `.scripts/doctor`: looks at the machine and prints what it found."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mos.arguments import option, parse
from mos.doctor.finding import Finding, text
from mos.doctor.software import look_at_software
from mos.doctor.system import look_at_system
from mos.errors import run_main

DESCRIPTION = (
    "Say what this machine is: Python and packages against the pins, torch, CUDA, driver, GPUs, bf16, cores, memory, "
    "disks, and two convolutions timed against what such a machine should do; and what to do about each finding.\n"
    "Marks: '-' could be better, '!' would keep a training from running (exit code 1)."
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to look at, and how to say it."""

    speed: bool = option(True, "time the convolutions; --speed=false leaves them out")
    json: bool = option(False, "print the findings as a JSON list, for a program")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the findings; 1 where something would keep a training from running."""
    options: Options = parse(Options, argv, prog=".scripts/doctor", description=DESCRIPTION).options
    started = time.monotonic()
    findings = [*look_at_system(), *look_at_software()]
    if not any(one.about == "packages" and one.verdict == "wrong" for one in findings):
        findings += _look_at_torch(options.speed)
    if options.json:
        print(json.dumps([asdict(one) for one in findings], indent=1))
    else:
        print(text(findings))
        print(_summary(findings, time.monotonic() - started))
    return int(any(one.verdict == "wrong" for one in findings))


def _look_at_torch(speed: bool) -> list[Finding]:
    import torch

    from mos.doctor.gpu import look_at_gpus
    from mos.doctor.precision import look_at_precision
    from mos.doctor.speed import look_at_speed

    findings = look_at_gpus(torch)
    if any(one.verdict == "wrong" for one in findings):
        return findings  # what would be timed is not what a training would use
    return findings + [look_at_precision(torch)] + (look_at_speed(torch) if speed else [])


def _summary(findings: Sequence[Finding], seconds: float) -> str:
    wrong = sum(one.verdict == "wrong" for one in findings)
    notes = sum(one.verdict == "note" for one in findings)
    if not wrong and not notes:
        said = "all is well"
    else:
        said = f"{wrong} that keep a training from running (!), {notes} that could be better (-)"
    return f"{said}; {len(findings)} things looked at in {seconds:.1f} s"


if __name__ == "__main__":
    run_main(main)
