"""Reads the challenge's list of points: a JSON with an entry for each point of each image of a stack."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mos.errors import BadInput
from mos.io.point_list import PointList, PointRow, read_number, read_scale


def read_point_json(path: Path, count: int) -> PointList:
    """Reads the challenge's points: `{"points": [{"name": "1", "point": [x, y, image], "scale": "0.1"}]}`.

    Images count from 1; `scale` (mm per pixel) may be missing. Images without any point are left out.

    Args:
        count: pictures of the stack.

    Raises:
        BadInput: no such JSON, an image the stack does not have, a point twice, unequal point counts, what
            is no number, two scales for one image.
    """
    images: dict[int, dict[str, tuple[float, float]]] = {}
    scales: dict[int, float] = {}
    for place, entry in enumerate(_entries(path)):
        where = f"{path} points[{place}]"
        try:
            name, (x, y, number) = str(entry["name"]), entry["point"]
        except (KeyError, TypeError, ValueError):
            raise BadInput(
                f"{where}: needs a name and a point [x, y, image number from 1], found {json.dumps(entry)[:120]}"
            ) from None
        number = read_number(where, "image number", number)
        if number != int(number) or not 1 <= number <= count:
            raise BadInput(
                f"{where}: names image {number:g}, but the stack has images 1 to {count}; is it the JSON of "
                "another stack?"
            )
        own = images.setdefault(int(number), {})
        if name in own:
            raise BadInput(f"{where}: point {name} of image {number:g} is there twice")
        own[name] = (read_number(where, "x", x), read_number(where, "y", y))
        if "scale" in entry:
            scale = read_scale(where, "scale", entry["scale"])
            if scales.setdefault(int(number), scale) != scale:
                raise BadInput(
                    f"{where}: scale {scale:g}, but image {number:g} had {scales[int(number)]:g} before"
                )
    names = list(dict.fromkeys(name for own in images.values() for name in own))
    names.sort(key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0))
    for number, own in sorted(images.items()):
        if lacking := [name for name in names if name not in own]:
            raise BadInput(
                f"{path}: unequal point counts: image {number} has {len(own)} points and lacks {lacking[0]}, "
                f"others have {len(names)}; every image needs the same points"
            )
    rows = tuple(
        PointRow(
            where=f"{path} image {number}",
            file=None,
            number=number - 1,
            points=np.array([images[number][name] for name in names]),
            scale=(scales[number],) * 2 if number in scales else None,
        )
        for number in sorted(images)
    )
    return PointList(path=path, names=tuple(names), rows=rows)


def _entries(path: Path) -> list[Any]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: no JSON text ({error})") from error
    entries = content.get("points") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise BadInput(
            f'{path}: needs an object with "points": [{{"name": "1", "point": [x, y, image]}}, ...]'
        )
    return entries
