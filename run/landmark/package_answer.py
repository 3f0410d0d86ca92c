"""What a packaged run does with pictures: the same as `cmd/predict`, in full precision wherever it is."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mos.errors import BadInput
from run.landmark.predict_inputs import find_pictures
from run.landmark.predict_members import open_members
from run.landmark.predict_outputs import challenge_json, write_challenge_json
from run.landmark.predicting import find_points

RECORD = "package.json"


@dataclass(frozen=True, kw_only=True)
class Means:
    """How the runs of a package are asked."""

    flips: bool
    scales: tuple[float, ...]
    device: str = "auto"
    precision: str = "fp32"  # one machine is to answer as another does
    threads: int = 0


def answer(folder: Path, source: Path, output: Path, *, device: str, threads: int) -> None:
    """Writes the challenge's JSON of the pictures in `source`.

    Args:
        folder: the package.
        source: a stack, or a folder that holds one.

    Raises:
        BadInput: weights or pictures that are missing or cannot be used.
    """
    record = read_package(folder)
    means = Means(
        flips=record["flips"], scales=tuple(record["scales"]), device=device, threads=threads
    )
    places = [folder / run["folder"] for run in record["runs"]]
    members = open_members([(place, place) for place in places], means)
    pictures = find_pictures([str(source)], "ignore")
    write_answer(output, find_points(pictures, members))
    print(f"{len(pictures)} pictures, {output}")


def write_answer(output: Path, points: Any) -> None:
    """Writes points (n, point_count, [xy]) as the challenge has them, named 1, 2, ..."""
    names = [str(number) for number in range(1, points.shape[1] + 1)]
    write_challenge_json(output, challenge_json(points, names))


def read_package(folder: Path) -> dict[str, Any]:
    """`package.json`.

    Raises:
        BadInput: it is missing or is none.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not record["runs"] or not all(run["folder"] for run in record["runs"]):
            raise ValueError("no runs")
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file; needs a folder that cmd/package wrote") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); make the package again") from error
    return record
