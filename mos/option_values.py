"""One option: what it is called, and how its text becomes a value and back.

The same reader serves every layer (launcher default, file, environment, flag), so a value means the
same wherever it is written. Type hints are jsonargparse's work; what is decided here is that no
option is nan or infinite, and that `none`, `null` and the empty text mean None where None is allowed.
"""

import dataclasses
import functools
import math
import shlex
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from mos.errors import BadInput
from mos.near_miss import did_you_mean

REQUIRED = dataclasses.MISSING
_NONE_WORDS = ("none", "null", "")
_BOOL_WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """One field of an options dataclass, as the command line sees it."""

    name: str
    hint: Any
    default: Any = REQUIRED
    help: str = ""
    env: str = ""
    group: str = "Options"
    parse: Callable[[str], Any] | None = None
    format: Callable[[Any], str] | None = None

    @functools.cached_property
    def kinds(self) -> tuple:
        """The parts of `int | Literal["fix"] | None` without None: (int, Literal["fix"])."""
        union = typing.get_origin(self.hint) in (typing.Union, types.UnionType)
        parts = typing.get_args(self.hint) if union else (self.hint,)
        return tuple(part for part in parts if part is not type(None))

    @property
    def allows_none(self) -> bool:
        union = typing.get_origin(self.hint) in (typing.Union, types.UnionType)
        return union and type(None) in typing.get_args(self.hint)

    @property
    def is_switch(self) -> bool:
        """True or false: the bare flag means true."""
        return self.kinds == (bool,) and self.parse is None

    @property
    def takes_many(self) -> bool:
        """A tuple[...] without a parser of its own takes all words up to the next flag."""
        return self.parse is None and typing.get_origin(self.kinds[0]) is tuple

    @property
    def needs(self) -> str:
        """What a value must be, to stand behind "needs": `a whole number or none`."""
        parts = (
            [_describe(kind) for kind in self.kinds] if self.parse is None else ["another value"]
        )
        return " or ".join(parts + ["none"] * self.allows_none)

    @property
    def metavar(self) -> str:
        """What a value looks like in the help: NUMBER, SIZES, a|b."""
        if self.parse is not None:
            return getattr(self.parse, "__name__", "value").removeprefix("parse_").upper()
        short = {bool: "true|false", int: "INT", float: "NUMBER", str: "TEXT"}
        names = []
        for kind in self.kinds:
            if typing.get_origin(kind) is Literal:
                names.extend(str(choice) for choice in typing.get_args(kind))
            else:
                many = typing.get_origin(kind) is tuple
                names.append("TEXT ..." if many else short.get(kind, kind.__name__.upper()))
        return "|".join(names + ["none"] * self.allows_none)

    def read(self, text: str | list[str]) -> Any:
        """Turns text (for an option that takes many: words) into the option's value.

        Raises:
            BadInput: not a value of this option; the message starts with what is needed.
        """
        if isinstance(text, str) and self.allows_none and text.strip().lower() in _NONE_WORDS:
            return None
        if self.parse is not None:
            return self._read_with_parser(text if isinstance(text, str) else ",".join(text))
        if self.is_switch:
            if not isinstance(text, str) or text.lower() not in _BOOL_WORDS:
                raise BadInput(f"needs {self.needs}")
            return _BOOL_WORDS[text.lower()]
        if self.takes_many and isinstance(text, str):
            text = shlex.split(text)
        value = self._read_with_hint(text)
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(f"needs a finite {self.needs.removeprefix('a ')}")
        return value

    def write(self, value: Any) -> str:
        """The text that `read` turns back into this value."""
        if value is None:
            return "none"
        if self.format is not None:
            return self.format(value)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (tuple, list)):
            words = [str(part) for part in value]
            return shlex.join(words) if self.takes_many else ",".join(words)
        return str(value)

    def _read_with_parser(self, text: str) -> Any:
        try:
            return self.parse(text)
        except (ValueError, TypeError) as error:
            raise BadInput(f"needs {self.needs} ({error})") from error

    def _read_with_hint(self, text: str | list[str]) -> Any:
        from jsonargparse import ArgumentError

        try:
            # str comes first: jsonargparse reads YAML, and `#3` would be an empty comment to it.
            if self.kinds == (str,) and isinstance(text, str):
                return text
            return _hint_parser(self.kinds).parse_object({"value": text}, defaults=False)["value"]
        except ArgumentError as error:
            choices = [str(c) for kind in self.kinds for c in _choices(kind)]
            near = did_you_mean(text, choices) if isinstance(text, str) else ""
            raise BadInput(f"needs {self.needs}{near}") from error


def options_of(options_type: type) -> dict[str, Option]:
    """The options of a dataclass whose fields were made by `mos.arguments.option`, in its order."""
    hints = typing.get_type_hints(options_type)
    found: dict[str, Option] = {}
    group = Option.group
    for field in dataclasses.fields(options_type):
        # A group holds for the fields that follow, so that it is written once.
        group = field.metadata.get("group") or group
        found[field.name] = Option(
            name=field.name,
            hint=hints[field.name],
            default=field.default,
            help=field.metadata.get("help", ""),
            env=field.metadata.get("env") or f"MOS_{field.name.upper()}",
            group=group,
            parse=field.metadata.get("parse"),
            format=field.metadata.get("format"),
        )
    return found


@functools.lru_cache(maxsize=None)
def _hint_parser(kinds: tuple):
    """A jsonargparse parser of one value of these types."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=typing.Union[kinds])
    return parser


def _choices(kind: Any) -> tuple:
    return typing.get_args(kind) if typing.get_origin(kind) is Literal else ()


def _describe(kind: Any) -> str:
    if _choices(kind):
        words = [str(choice) for choice in _choices(kind)]
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if typing.get_origin(kind) is tuple:
        return "a list"
    known = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return known.get(kind, f"a {getattr(kind, '__name__', str(kind)).lower()}")
