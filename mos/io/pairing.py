"""Finds which files belong together by their names."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from mos.errors import BadInput
from mos.io.read import stem


def pair(names: Mapping[str, Path], others: Mapping[str, Path], flag: str, pattern: str) -> dict:
    """The partner of each name: equal names, or the one rule of affixes that pairs the most.

    Raises:
        BadInput: a name without partner, or a partner too many; names the first.
    """
    best = {name: name for name in names.keys() & others.keys()}
    # The rule is found on a few images: one of them may be the very one whose partner is missing.
    for name in list(names)[:5] if len(best) < max(len(names), len(others)) else []:
        for other in others:
            rule = _rule(name, other)
            if rule is None:
                continue
            pairs = _apply(rule, names, others)
            if len(pairs) > len(best):
                best = pairs
        if len(best) == len(names) == len(others):
            break
    if alone := [name for name in names if name not in best]:
        raise BadInput(
            f"{flag} {pattern!r}: {len(alone)} of {len(names)} images have no partner, such as "
            f"{names[alone[0]]}; add the file or narrow --images"
        )
    used = set(best.values())
    if alone := [other for other in others if other not in used]:
        raise BadInput(
            f"{flag} {pattern!r}: {len(alone)} of {len(others)} files have no image, such as "
            f"{others[alone[0]]}; add its image or narrow the pattern"
        )
    return {name: others[best[name]] for name in names}


def _rule(name: str, other: str) -> tuple[str, str, str, str] | None:
    """Beginning and ending to take off names, and off others, so that these two become equal."""
    match = difflib.SequenceMatcher(None, name, other, False).find_longest_match()
    if not match.size:
        return None
    a, b = match.a, match.b
    return name[:a], name[a + match.size :], other[:b], other[b + match.size :]


def _apply(rule: tuple[str, str, str, str], names, others) -> dict[str, str]:
    start, end, other_start, other_end = rule
    pairs = {}
    for name in names:
        if name.startswith(start) and name.endswith(end) and len(name) > len(start + end):
            other = other_start + name[len(start) : len(name) - len(end)] + other_end
            if other in others:
                pairs[name] = other
    return pairs


def names_of(files: Sequence[Path]) -> dict[str, Path]:
    """Files by stem, or by their path below the folder they share where stems repeat.

    Raises:
        BadInput: two files that differ in their suffix alone, so that no name tells them apart.
    """
    names = {stem(file): file for file in files}
    if len(names) == len(files):
        return names
    parents = [file.parent.parts for file in files]
    shared = 0
    while all(len(p) > shared and p[shared] == parents[0][shared] for p in parents):
        shared += 1
    names = {}
    for file in files:
        name = "/".join((*file.parent.parts[shared:], stem(file)))
        if names.setdefault(name, file) != file:
            raise BadInput(
                f"{names[name]} and {file.name}: two files of one name; remove one, or narrow the pattern "
                f"to one of them, such as '{file.parent}/*{file.name[len(stem(file)):]}'"
            )
    return names
