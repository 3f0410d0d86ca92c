"""Reads a sweep's file: launchers x settings x variants x grid x seeds become cells."""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mos.errors import BadInput
from mos.near_miss import did_you_mean

KEYS = ("launchers", "settings", "options", "variants", "grid", "seeds")
EXAMPLE = """\
launchers: [unet-2d-none, unet-3d-none]
settings: [phantom-0..4]          # the five folds phantom-0, phantom-1, ... phantom-4
options: {COUNT: 20, BS: 8}       # for every cell
"""
_FOLDS = re.compile(r"(.*?)(\d+)\.\.(\d+)")

# One option's value as the file has it: the words of a list stay apart.
Value = str | list[str]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One cell as the file asks for it: a launcher, a setting, options under the names written."""

    launcher: str
    setting: str
    options: dict[str, Value]
    postfix: str


@dataclass(frozen=True)
class _Level:
    """What one entry of one list adds to a cell."""

    options: dict[str, Value]
    postfix: str = ""
    name: str = ""


def read_grid(path: Path) -> list[Asked]:
    """The cells a file asks for, launcher by launcher, in the order written.

    Options of a later level win: `options` < the launcher's < the setting's < the variant's < `grid`
    < `seeds`. Their `dir_postfix` are put one behind the other.

    Raises:
        BadInput: the file is no such YAML; names the key and what it needs.
    """
    content = _load(path)
    for key in content:
        if key not in KEYS:
            near = did_you_mean(str(key), KEYS) or f"; there are {', '.join(KEYS)}"
            raise BadInput(f"{path}: unknown key {key!r}{near}")
    for key in ("launchers", "settings"):
        if not content.get(key):
            raise BadInput(f"{path}: {key} is missing or empty. An example:\n{EXAMPLE}")
    levels = [
        [_level(path, "options", content.get("options") or {})],
        _named(path, "launchers", content["launchers"]),
        _named(path, "settings", content["settings"]),
        _variants(path, content.get("variants")),
        *_grid(path, content.get("grid") or {}),
        _seeds(path, content.get("seeds")),
    ]
    cells = []
    for everyone, launcher, setting, *rest in itertools.product(*levels):
        options: dict[str, Value] = {}
        for level in (everyone, launcher, setting, *rest):
            options |= level.options
        postfix = "".join(l.postfix for l in (everyone, launcher, setting, *rest))
        cells.append(
            Asked(launcher=launcher.name, setting=setting.name, options=options, postfix=postfix)
        )
    return cells


def _load(path: Path) -> dict[str, Any]:
    import yaml

    try:
        # BaseLoader keeps every scalar as its text: the options say what it means, not YAML's guess.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except OSError as error:
        raise BadInput(
            f"--file {path}: {error.strerror}; give the path of a YAML file such as\n{EXAMPLE}"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path}: is no YAML: {' '.join(str(error).split())}. A value with brackets or a comma "
            "needs quotes: dir_postfix: '[lr3]'"
        ) from error
    if not isinstance(content, dict):
        raise BadInput(f"{path}: needs launchers and settings, such as\n{EXAMPLE}")
    return content


def _level(path: Path, where: str, options: Any, name: str = "") -> _Level:
    if not isinstance(options, dict):
        raise BadInput(f"{path}: {where}: needs `name: value` pairs, found {options!r}")
    read: dict[str, Value] = {}
    postfix = ""
    for key, value in options.items():
        if key in ("dir_postfix", "MOS_DIR_POSTFIX"):
            if not isinstance(value, str):
                raise BadInput(
                    f"{path}: {where}: dir_postfix: [{', '.join(map(str, value))}] is a list to YAML; "
                    f"quote it: dir_postfix: '[{','.join(map(str, value))}]'"
                )
            postfix = value
        elif isinstance(value, dict) or (
            isinstance(value, list) and not all(isinstance(word, str) for word in value)
        ):
            raise BadInput(f"{path}: {where}: {key}: needs a value or a list of values")
        else:
            read[str(key)] = value
    return _Level(read, postfix, name)


def _named(path: Path, key: str, entries: Any) -> list[_Level]:
    """Names, or names with options of their own: `- unet-3d-none: {BS: 4}`."""
    levels = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict):
            pairs = list(entry.items())
        else:
            pairs = [(entry, {})]
        for name, options in pairs:
            if not isinstance(name, str) or not name:
                raise BadInput(f"{path}: {key}: needs names, found {name!r}")
            names = _folds(name) if key == "settings" else [name]
            if not names:
                raise BadInput(f"{path}: {key}: {name}: counts upwards, such as heart-0..4")
            levels += [_level(path, f"{key}: {name}", options or {}, one) for one in names]
    return levels


def _folds(name: str) -> list[str]:
    """`heart-0..4` is heart-0, heart-1, ... heart-4."""
    match = _FOLDS.fullmatch(name)
    if not match:
        return [name]
    return [f"{match[1]}{fold}" for fold in range(int(match[2]), int(match[3]) + 1)]


def _variants(path: Path, variants: Any) -> list[_Level]:
    if variants is None or variants == "":
        return [_Level({})]
    if not isinstance(variants, list):
        raise BadInput(
            f"{path}: variants: needs a list, such as\n"
            "variants:\n  - {}\n  - {dir_postfix: '[lr3]', learning_rate: 3e-3}"
        )
    return [_level(path, f"variant {n}", v or {}) for n, v in enumerate(variants, start=1)]


def _grid(path: Path, grid: Any) -> Iterable[list[_Level]]:
    """Per option one list; each value names its folder: `[learning_rate=3e-3]`."""
    if not isinstance(grid, dict):
        raise BadInput(f"{path}: grid: needs lists of values, such as learning_rate: [1e-3, 3e-3]")
    lists = []
    for name, values in grid.items():
        if not isinstance(values, list) or not values or name == "dir_postfix":
            raise BadInput(f"{path}: grid: {name}: needs a list of values, such as [1e-3, 3e-3]")
        level = []
        for value in values:
            words = value if isinstance(value, list) else [value]
            shown = ",".join(map(str, words))
            if not all(isinstance(word, str) for word in words) or "/" in shown:
                raise BadInput(
                    f"{path}: grid: {name}: {shown} cannot be part of a folder's name; "
                    "use variants, with a dir_postfix each"
                )
            level.append(_Level({name: value}, f"[{name}={shown}]"))
        lists.append(level)
    return lists


def _seeds(path: Path, seeds: Any) -> list[_Level]:
    if seeds is None or seeds == "":
        return [_Level({})]
    words = seeds if isinstance(seeds, list) else [seeds]
    for word in words:
        if not isinstance(word, str) or not word.isdecimal():
            raise BadInput(f"{path}: seeds: {word!r}: needs whole numbers, such as [0, 1, 2]")
    return [_Level({"seed": word}, f"[seed{word}]") for word in words]
