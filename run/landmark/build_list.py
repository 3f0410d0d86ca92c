"""Finds the list of pictures and points that a build is made from, and what its points are called."""

import os
from collections.abc import Sequence
from pathlib import Path

from mos.data.points import NAME_LISTS, swap_order
from mos.errors import BadInput
from mos.io.csv_points import read_point_csv
from mos.io.json_points import read_point_json
from mos.io.point_list import PointList
from mos.io.stack import Stack, open_stack


def find_list(options) -> tuple[PointList, Stack | None]:
    """The list, and the stack its pictures are in where there is one.

    Raises:
        BadInput: whatever is wrong with them.
    """
    if options.csv:
        return (
            read_point_csv(Path(options.csv), Path(options.images) if options.images else None),
            None,
        )
    stack = open_stack(Path(options.stack))
    found = read_point_json(Path(options.json), stack.count)
    if len(found.rows) < stack.count:
        print(f"{stack.count - len(found.rows)} pictures of the stack have no points: left out")
    return found, stack


def case_ids(found: PointList, stack: Stack | None) -> list[str]:
    """A name for each picture: its file without suffix, below the folder that all share; or its number."""
    if stack:
        return [f"image{row.number + 1:03d}" for row in found.rows]
    files = [row.file.resolve() for row in found.rows]
    ids = [file.stem for file in files]
    if len(set(ids)) < len(ids):
        shared = Path(os.path.commonpath([file.parent for file in files]))
        ids = [file.relative_to(shared).with_suffix("").as_posix() for file in files]
    if len(set(ids)) < len(ids):  # a.png and a.jpg
        ids = [file.relative_to(shared).as_posix() for file in files]
    return ids


def point_names(options, found: PointList) -> tuple[str, ...]:
    """The names asked for, else the list's.

    Raises:
        BadInput: another number than the list has points, a name twice, a list that is not known.
    """
    asked = options.points
    if len(asked) == 1 and len(found.names) > 1:
        if asked[0] not in NAME_LISTS:
            raise BadInput(
                f"--points {asked[0]}: one name for {len(found.names)} points; give all of them, or one of "
                f"{', '.join(NAME_LISTS)}"
            )
        asked = NAME_LISTS[asked[0]]
    names = asked or found.names
    if len(names) != len(found.names):
        raise BadInput(
            f"--points: {len(names)} names, but {found.path} has {len(found.names)} points: "
            f"{', '.join(found.names)}"
        )
    if twice := [name for name in names if names.count(name) > 1 or not name]:
        raise BadInput(f"--points: {twice[0]!r} is empty or there twice; every point needs its own")
    return tuple(names)


def swap_pairs(
    pairs: Sequence[tuple[str, str]], names: Sequence[str]
) -> tuple[tuple[int, int], ...]:
    """Pairs of point numbers from 0, given by name or by number from 1.

    Raises:
        BadInput: no such point, or one in two pairs.
    """

    def number(word: str) -> int:
        if word in names:
            return names.index(word)
        if word.isdecimal() and 1 <= int(word) <= len(names):
            return int(word) - 1
        raise BadInput(f"--swap {word!r}: no such point; there are {', '.join(names)}")

    found = tuple((number(first), number(second)) for first, second in pairs)
    try:
        swap_order(len(names), found)
    except BadInput as error:
        raise BadInput(f"--swap: {error}") from error
    return found
