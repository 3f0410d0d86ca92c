"""The two files that predicted points are written as: the challenge's JSON, and the CSV that cmd/build reads."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mos.errors import BadInput
from mos.files import write_text

Format = Literal["auto", "json", "csv"]


def output_format(output: Path, wanted: Format) -> Literal["json", "csv"]:
    """Settles the format, and that the file can be written, before any work is done.

    Raises:
        BadInput: a folder; a suffix that says another format.
    """
    suffix = output.suffix.lower()
    if output.is_dir():
        raise BadInput(f"--output {output}: is a folder; give a file, such as {output}/points.json")
    if wanted == "auto" and suffix not in (".json", ".csv"):
        raise BadInput(f"--output {output}: needs a name that ends in .json or .csv, or --format")
    chosen = suffix[1:] if wanted == "auto" else wanted
    if suffix in (".json", ".csv") and suffix[1:] != chosen:
        raise BadInput(
            f"--output {output}: --format {chosen} would be written under the name of another; "
            f"give {output.with_suffix('.' + chosen).name}"
        )
    return chosen


def challenge_json(points: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """The JSON of CL-Detection 2023: points fastest, images count from 1.

    Args:
        points: (n, point_count, [xy]) pixels of the pictures as they were given.
        names: of the points.
    """
    return {
        "name": "Orthodontic landmarks",
        "type": "Multiple points",
        "points": [
            {"name": name, "point": [round(float(x), 3), round(float(y), 3), number]}
            for number, image in enumerate(points, 1)
            for name, (x, y) in zip(names, image, strict=True)
        ],
        "version": {"major": 1, "minor": 0},
    }


def csv_text(points: np.ndarray, pictures: Sequence[str]) -> str:
    """`file, p1x, p1y, ...`, a line for each picture."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = [f"p{number}{axis}" for number in range(1, points.shape[1] + 1) for axis in "xy"]
    table.writerow(["file", *columns])
    for picture, image in zip(pictures, points, strict=True):
        table.writerow([picture, *(f"{value:.3f}" for value in image.ravel())])
    return text.getvalue()


def write_challenge_json(path: Path, content: dict[str, Any]) -> None:
    """Writes what `challenge_json` gives, a point a line, whole or not at all."""
    points = ",\n".join("  " + json.dumps(point, ensure_ascii=False) for point in content["points"])
    rest = {key: value for key, value in content.items() if key != "points"}
    words = [f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in rest.items()]
    words.insert(2, f' "points": [\n{points}\n ]')
    write_text(path, "{\n" + ",\n".join(words) + "\n}\n")
