"""Runs the benchmarks one after the other and writes their rows as one Markdown table."""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mos import machine
from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.files import write_text
from mos.folders import cache_root, project_folder
from tests.benchmark import HEADER

HERE = Path(__file__).resolve().parent
PEERS = ("torch", "monai", "medpy", "surface-distance", "nnunetv2", "numpy", "scipy")
DESCRIPTION = (
    "Run the benchmarks of tests/benchmark one after the other and write their rows as a Markdown table. Each runs "
    "the peer beside ours in alternation; on a busy machine look at the ratios, not at the times."
)


def parse_names(text: str) -> tuple[str, ...]:
    """Reads `augment,start_up` as names of benchmarks."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which benchmarks, how long, and where the table goes."""

    quick: bool = option(False, "a few seconds each instead of steady numbers")
    only: tuple[str, ...] = option(
        (), "names joined by commas, such as augment,start_up; empty: all", parse=parse_names
    )
    output: Path | None = option(
        None, "the table; none: benchmark/benchmark.md in the cache folder"
    )

    def check(self) -> None:
        """Raises BadInput for a benchmark that is not there."""
        unknown = sorted(set(self.only) - set(benchmarks()))
        if unknown:
            raise BadInput(f"--only {','.join(unknown)}: there are {', '.join(benchmarks())}")


@dataclass
class Result:
    """What one benchmark printed."""

    name: str
    seconds: float
    code: int
    rows: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs them; 1 where one failed. A row that is not reached is no failure: the table says so."""
    options: Options = parse(
        Options, argv, prog=".scripts/benchmark", description=DESCRIPTION
    ).options
    folder = cache_root() / "benchmark"
    results = []
    for name in options.only or benchmarks():
        print(f"-- {name}", file=sys.stderr, flush=True)
        results.append(run(name, options.quick, folder))
    report = table(results, options.quick)
    output = options.output or folder / "benchmark.md"
    write_text(output, report)
    print(report)
    print(f"written to {output}", file=sys.stderr)
    return int(any(one.code for one in results))


def benchmarks() -> dict[str, Path]:
    """The programs of this folder by name: the files that can be started."""
    return {
        file.stem: file
        for file in sorted(HERE.glob("*.py"))
        if file != Path(__file__).resolve() and "__main__" in file.read_text(encoding="utf-8")
    }


def run(name: str, quick: bool, folder: Path) -> Result:
    """Runs a benchmark in a process of its own, with the environment that launchers give trainings."""
    command = [sys.executable, "-m", f"tests.benchmark.{name}"]
    if name == "report_speed":  # it keeps a tree of runs, 3 GB of them when it is not in a hurry
        command += [str(folder / "report"), *(("--runs", "50", "--epochs", "10") if quick else ())]
    elif quick:
        command.append("--quick")
    environment = os.environ | {"MOS_CACHE": str(cache_root().absolute())}
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=project_folder(),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    result = Result(name, 0.0, 0)
    for line in process.stdout:
        print(line, end="", file=sys.stderr, flush=True)
        (result.rows if is_row(line) else result.remarks).append(line.rstrip())
    result.code = process.wait()
    result.seconds = time.monotonic() - started
    return result


def is_row(line: str) -> bool:
    """Whether a line is a row of the table and not the table's head."""
    return (
        line.startswith("| ")
        and line.count("|") == HEADER[0].count("|")
        and line.strip() not in HEADER
    )


def table(results: Sequence[Result], quick: bool) -> str:
    """The Markdown of all rows, what they were measured on, and what else the benchmarks said."""
    rows = [row for one in results for row in one.rows]
    lines = [*surroundings(quick), "", *HEADER, *rows]
    for one in results:
        if one.code or not one.rows:
            said = f"failed with exit code {one.code}" if one.code else "prints no rows"
            lines += ["", f"`{one.name}` {said}."]
    for one in results:
        if remarks := [line for line in one.remarks if line.strip()]:
            lines += ["", f"`{one.name}`, {one.seconds:.0f} s:", "", "```text", *remarks, "```"]
    return "\n".join(lines) + "\n"


def surroundings(quick: bool) -> list[str]:
    """Machine, versions, command and date, as lines of Markdown."""
    sizes = machine.memory()
    memory = f", {sizes[1] / 2**30:.0f} GiB of memory" if sizes else ""
    command = ".scripts/benchmark" + (" --quick" if quick else "")
    allocator = {
        name: value for name, value in os.environ.items() if re.match("MALLOC_|THP_", name)
    }
    return [
        f"`{command}`, {time.strftime('%Y-%m-%d')}, {machine.cores()} cores of {machine.cpu_name()}{memory}, "
        f"load {machine.load():.1f}, {_gpu()}.",
        f"Python {platform.python_version()}, {', '.join(_versions())}; "
        f"{' '.join(f'{name}={value}' for name, value in sorted(allocator.items()))}.",
    ]


def _versions() -> list[str]:
    found = []
    for name in PEERS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return found


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


if __name__ == "__main__":
    run_main(main)
