"""How the page writes names, numbers and values of run.json: the filters of its templates."""

import re
from typing import Any

from markupsafe import Markup


def breakable(name: str) -> Markup:
    """A run's name, escaped, that a narrow column may break between its parts only."""
    return Markup("<wbr>").join(re.split(r"(?<=[-,])|(?=\[)", name))


def fixed(value: float, digits: int, *, sign: bool = False) -> str:
    """A number with a real minus; a dash for nan, and the sign of infinity."""
    if value != value:
        return "–"
    text = "∞" if value in (float("inf"), float("-inf")) else f"{abs(value):.{digits}f}"
    if text != "∞" and float(text) == 0:
        return text  # no sign in front of what is shown as nothing
    return ("−" if value < 0 else "+" if sign and value > 0 else "") + text


def readable(value: Any) -> str:
    """A value of run.json for people: `0: background, 1: heart`."""
    if isinstance(value, dict) and value:
        return ", ".join(f"{key}: {readable(entry)}" for key, entry in value.items())
    if value is None or value == {}:
        return "none"
    if isinstance(value, list):
        return "[" + ", ".join(map(readable, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace(",", "\u2009") if abs(value) >= 10000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
