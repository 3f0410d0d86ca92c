"""`cmd/networks`: the table of networks, with what each costs at a size, as text, CSV or markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mos.arguments import option, parse
from mos.errors import BadInput, run_main
from mos.files import atomic_path
from mos.networks.table import NETWORKS, Network
from mos.shapes import format_numbers, parse_sizes

DESCRIPTION = (
    "List the networks a run can train (--model, and a launcher each): what they are, whose code, and what one image "
    "of --size_2d or --size_3d costs. Every network is measured in a process of its own."
)
MARKS = (
    "<!-- networks: written by .scripts/baseline/cmd/networks --readme -->",
    "<!-- /networks -->",
)
_FLOPS = "GFLOP"


def parse_names(text: str) -> tuple[str, ...]:
    """Reads `unet,segnet`; empty text is ().

    Raises:
        BadInput: a name the table does not have.
    """
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if name not in NETWORKS:
            raise BadInput(f"{name!r} is no network; they are {', '.join(NETWORKS)}")
    return names


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which networks, at which size, written how."""

    only: tuple[str, ...] = option(
        "", "these alone, such as unet,segnet; empty: all", parse=parse_names, format=",".join
    )
    dims: Literal["2", "3", "all"] = option("all", "2-D, 3-D, or all forms")
    size_2d: tuple[int, ...] = option(
        (128, 128), "h,w of the image in 2-D", parse=parse_sizes, format=format_numbers
    )
    size_3d: tuple[int, ...] = option(
        (16, 128, 128), "d,h,w of the image in 3-D", parse=parse_sizes, format=format_numbers
    )
    in_channels: int = option(1, "image channels")
    label_count: int = option(4, "labels told apart, background included")
    measure: Literal["all", "size", "none"] = option(
        "all",
        "all: parameters, operations, time and memory; size: parameters and operations; none: the list alone",
    )
    format: Literal["text", "csv", "markdown"] = option("text", "how the table is written")
    output: Path | None = option(None, "file to write it to; none: the terminal", group="Output")
    readme: Path | None = option(
        None,
        f"a markdown file: the table between its lines `{MARKS[0]}` and `{MARKS[1]}` is renewed",
    )
    device: str = option("cpu", "cpu, cuda, or auto", group="Machine")
    threads: int = option(0, "processor threads; 0: as many as there are cores")

    def check(self) -> None:
        """Raises BadInput for sizes of another dimension and counts below one."""
        for name, need in (("size_2d", 2), ("size_3d", 3)):
            size = getattr(self, name)
            if len(size) != need or 0 in size:
                raise BadInput(f"--{name} {format_numbers(size)}: needs {need} positive numbers")
        if self.in_channels < 1 or self.label_count < 2:
            raise BadInput("--in_channels needs 1 or more, --label_count 2 or more")


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what was asked for and writes the table.

    Raises:
        BadInput: an option that cannot be had, or a file without the marks of the table.
    """
    options = parse(
        Options, argv, prog=".scripts/baseline/cmd/networks", description=DESCRIPTION
    ).options
    if options.readme:
        before, after = _around(options.readme)
        table = readme_table(rows(replace(options, measure="size")))  # it shows no more
        _write(options.readme, f"{before}{MARKS[0]}\n{table}{MARKS[1]}{after}")
        print(f"{options.readme}: {len(NETWORKS)} networks")
        return
    text = written(rows(options), options.format)
    if options.output is None:
        print(text, end="")
    else:
        _write(options.output, text)
        print(options.output)


def rows(options: Options) -> list[dict[str, Any]]:
    """One row for each network and dimension; a measure not asked for is not in it."""
    wanted = [
        (name, dims)
        for name, network in NETWORKS.items()
        for dims in network.dims
        if (not options.only or name in options.only) and options.dims in ("all", str(dims))
    ]
    found = [_described(name, dims) for name, dims in wanted]
    if options.measure == "none":
        return found
    from mos.engine.progress import progress
    from run.baseline.measuring import measured  # torch loads here

    costs = progress(measured(options, wanted), total=len(wanted), title="networks")
    return [row | _shown(cost) for row, cost in zip(found, costs, strict=True)]


def _described(name: str, dims: int) -> dict[str, Any]:
    network = NETWORKS[name]
    return {
        "name": name,
        "dims": f"{dims}-D",
        "title": network.title,
        "paper": _cited(network),
        "source": network.source,
    }


def _cited(network: Network) -> str:
    """`Zhou et al., arXiv 2021; IEEE TIP 2023`: the year is that of what stands first."""
    first, mark, rest = network.paper.partition(";")
    return f"{first} {network.year}{mark}{rest}"


def _shown(cost: Any) -> dict[str, str]:
    row = {"M parameters": f"{cost.parameters / 1e6:.2f}", _FLOPS: f"{cost.flops / 1e9:.2f}"}
    if cost.milliseconds is not None:
        row |= {"ms an image": f"{cost.milliseconds:.1f}", "MiB training": f"{cost.memory_mib:.0f}"}
    return row


def written(table: Sequence[dict[str, Any]], form: str) -> str:
    """The table as text with aligned columns, CSV, or markdown."""
    if not table:
        return "no network has that dimension\n"
    head = list(table[0])
    if form == "csv":
        import csv
        import io

        text = io.StringIO()
        writer = csv.DictWriter(text, head, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
        return text.getvalue()
    cells = [head, *([str(row[key]) for key in head] for row in table)]
    if form == "markdown":
        cells.insert(1, ["---"] * len(head))
        return "".join(f"| {' | '.join(line)} |\n" for line in cells)
    widths = [max(len(line[place]) for line in cells) for place in range(len(head))]
    lines = ("  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths)) for line in cells)
    return "".join(line.rstrip() + "\n" for line in lines)


def readme_table(table: Sequence[dict[str, Any]]) -> str:
    """One line for each network: what holds on every machine."""
    lines = ["| `--model` | network | paper | code | M parameters | GFLOP an image |"]
    lines.append("|---|---|---|---|---|---|")
    for name, network in NETWORKS.items():
        own = [row for row in table if row["name"] == name]
        dims = ", ".join(f"{one}-D" for one in network.dims)
        counts = [", ".join(row.get(key, "") for row in own) for key in ("M parameters", _FLOPS)]
        cells = (f"`{name}`", f"{network.title}, {dims}", _cited(network))
        lines.append(f"| {' | '.join((*cells, network.source, *counts))} |")
    return "\n".join(lines) + "\n"


def readme_names(text: str) -> list[str]:
    """The networks that the table between the marks lists."""
    inside = text.partition(MARKS[0])[2].partition(MARKS[1])[0]
    return re.findall(r"^\| `([a-z0-9]+)` \|", inside, re.M)


def _around(path: Path) -> tuple[str, str]:
    """The text before and behind the marks."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, first, rest = text.partition(MARKS[0])
    _, last, after = rest.partition(MARKS[1])
    if not first or not last:
        raise BadInput(
            f"--readme {path}: needs the lines {MARKS[0]} and {MARKS[1]}, the table goes between them"
        )
    return before, after


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_main(main)
