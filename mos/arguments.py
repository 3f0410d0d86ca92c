"""Options of a program: one dataclass field each, filled from launcher, file, environment and flags.

    @dataclass(frozen=True, kw_only=True)
    class Options:
        learning_rate: float = option(1e-3, "peak learning rate of AdamW", group="Optimisation")
        batch_size: int = option(16, "samples per step", env="BS")

    resolved = parse(Options, argv, prog=..., description=..., environ=os.environ)

Later wins: field default < launcher default < what the stored run was started with < `--config file`
< environment < flag in the launcher < flag typed by hand. How a launcher tells its own values from the user's is said in `.scripts/env`.
"""

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from mos.errors import BadInput
from mos.option_help import help_text, resolved_table
from mos.option_layers import (
    Texts,
    check_reserved,
    read_environment,
    read_file,
    read_flags,
    split_typed,
)
from mos.option_values import REQUIRED, Option, options_of

T = TypeVar("T")

_BUILT_IN = {
    "config": Option(
        name="config",
        hint=tuple[str, ...],
        default=(),
        help="YAML or JSON file of options, `learning_rate: 1e-3`; a later file wins",
        group="Always there",
    ),
    "dry_run": Option(
        name="dry_run",
        hint=bool,
        default=False,
        help="print every option, its value and what set it, and stop",
        group="Always there",
    ),
}


@dataclasses.dataclass(frozen=True)
class Resolved(Generic[T]):
    """The options, which layer set each, and each as text that reads back to the same value."""

    options: T
    layers: dict[str, str]
    text: dict[str, str]


def option(
    default: Any,
    help: str,
    *,
    env: str | None = None,
    parse: Callable[[str], Any] | None = None,
    format: Callable[[Any], str] | None = None,
    group: str | None = None,
) -> Any:
    """A field of an options dataclass.

    Args:
        default: a value, or for a field with `parse` its text; `REQUIRED` if there is none.
        help: what it does, in which unit, with an example, and when to change it.
        env: the environment variable that sets it; without one, MOS_<NAME>.
        parse: text -> value where the type alone does not say how; raises BadInput or ValueError.
        format: value -> the text `parse` reads; by default numbers joined by commas.
        group: heading in the help, for this field and those behind it.
    """
    if parse is not None and isinstance(default, str):
        default = parse(default)
    metadata = {"help": help, "env": env, "parse": parse, "format": format, "group": group}
    return dataclasses.field(default=default, metadata=metadata)


def name_leading(argv: Sequence[str] | None, name: str, most: int | None = None) -> list[str]:
    """The words of a command line, those before the first flag with `--name=` before each.

    So the flag of what a command is about may be left out: `check heart-0`, `re_eval force`.

    Args:
        argv: None: those of this process.
        most: so many words at the most; None: all before the first flag.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for place, word in enumerate(words[:most]):
        if word.startswith("-"):
            break
        words[place] = f"--{name}={word}"  # word for word, so that `parse` counts them right
    return words


def parse(
    options_type: type[T],
    argv: Sequence[str] | None = None,
    *,
    prog: str,
    description: str,
    environ: Mapping[str, str] | None = None,
    load: Callable[[Path], Mapping[str, Any]] | None = None,
    remember: Callable[[T], Mapping[str, str]] | None = None,
) -> Resolved[T]:
    """Fills an options dataclass from all layers and calls its `check()` if it has one.

    `--help` and `--dry_run` print and leave by SystemExit(0).

    Args:
        argv: flags and values; None: those of this process.
        environ: the environment layer; None: the environment sets no option.
        load: reads a `--config` file into names and values; None: YAML or JSON.
        remember: given the options as they stand, the texts that an interrupted program ran with; they
            come before whatever the user says now and behind what the launcher says to everybody.

    Raises:
        BadInput: an unknown, misspelt or missing name, or a value that cannot be used; names the layer.
    """
    options = options_of(options_type)
    clash = options.keys() & _BUILT_IN.keys()
    if clash:
        raise ValueError(f"{options_type.__name__}: these names are taken: {', '.join(clash)}")
    argv = list(sys.argv[1:] if argv is None else argv)
    defaults = set((environ or {}).get("_MOS_DEFAULTS", "").split())
    by_launcher = {
        n: environ[o.env] for n, o in options.items() if o.env in defaults and environ.get(o.env)
    }
    if "--help" in argv or "-h" in argv:
        shown = [*options.values(), *_BUILT_IN.values()]
        print(help_text(prog, description, shown, by_launcher, environ is not None), end="")
        raise SystemExit(0)

    if environ is None:
        check_reserved(os.environ)
    in_launcher, typed = split_typed(argv, environ or {})
    known = options | _BUILT_IN
    flags = [
        ("launcher", read_flags(in_launcher, known)),
        ("command line", read_flags(typed, known)),
    ]
    dry_run = any(_read(known["dry_run"], f["dry_run"], l) for l, f in flags if "dry_run" in f)
    files = [path for _, texts in flags for path in texts.get("config", [])]
    layers = [("launcher default", by_launcher)]
    layers += [(f"file {path}", read_file(path, options, load)) for path in files]
    layers += [("environment", read_environment(environ or {}, options, defaults)), *flags]

    resolved = _resolve(options_type, options, layers)
    if remember is not None and (texts := remember(resolved.options)):
        layers.insert(1, ("the run so far", texts))
        resolved = _resolve(options_type, options, layers)
    # Of several processes (torchrun) one is enough to tell.
    if dry_run and (environ or {}).get("RANK", "0") == "0":
        rows = ((name, resolved.text[name] or "''", resolved.layers[name]) for name in options)
        print(resolved_table(rows))
    if hasattr(resolved.options, "check"):
        resolved.options.check()
    if dry_run:
        raise SystemExit(0)
    return resolved


def _resolve(
    options_type: type[T], options: Mapping[str, Option], layers: Sequence[tuple[str, Texts]]
) -> Resolved[T]:
    """Reads every layer, a later one over an earlier one."""
    values = {name: o.default for name, o in options.items()}
    origin = dict.fromkeys(values, "default")
    for layer, texts in layers:
        for name in texts.keys() & options.keys():
            values[name] = _read(options[name], texts[name], layer)
            origin[name] = f"environment {options[name].env}" if layer == "environment" else layer
    for name, value in values.items():
        if value is REQUIRED:
            raise BadInput(f"--{name} is missing: {options[name].help}")
    return Resolved(
        options_type(**values), origin, {name: o.write(values[name]) for name, o in options.items()}
    )


def _read(option: Option, text: str | list[str], layer: str) -> Any:
    """Reads one value; an error says where the value stands."""
    shown = text if isinstance(text, str) else " ".join(text)
    try:
        return option.read(text)
    except BadInput as error:
        where = {
            "launcher default": f"launcher default {option.env}={shown!r}",
            "environment": f"environment variable {option.env}={shown!r}",
            "launcher": f"--{option.name} {shown!r} in the launcher",
            "command line": f"--{option.name} {shown!r}",
        }.get(layer, f"{layer}: {option.name}: {shown!r}")
        raise BadInput(f"{where}: {error}") from error
