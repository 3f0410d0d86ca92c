"""The two texts about options that a user reads: `--help` and `--dry_run`."""

import argparse
import shutil
from collections.abc import Iterable, Mapping

from mos.option_values import REQUIRED, Option

_RULE = """\
Later wins: default < launcher default < --config file < environment < flag in the launcher < flag you type."""


def help_text(
    prog: str, description: str, options: Iterable[Option], defaults: Mapping[str, str], env: bool
) -> str:
    """The help: options by group, each with its type, default, environment name and meaning.

    Args:
        defaults: texts that stand for an option's own default (a launcher's, say), by option name.
        env: whether this program listens to the environment.
    """
    parser = argparse.ArgumentParser(
        prog=prog, description=description, add_help=False, usage="%(prog)s [--option value ...]"
    )
    width = max(60, min(110, shutil.get_terminal_size((112, 24)).columns - 2))
    parser.formatter_class = lambda prog: argparse.HelpFormatter(
        prog, max_help_position=34, width=width
    )
    parser.epilog = _RULE if env else None
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in options:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        notes = []
        if option.name in defaults:
            notes.append(f"default {defaults[option.name]}")
        elif option.default is REQUIRED:
            notes.append("required")
        else:
            notes.append(f"default {option.write(option.default) or repr('')}")
        if env and option.env:
            notes.append(option.env)
        text = f"{option.help} [{'; '.join(notes)}]".strip().replace("%", "%%")
        groups[option.group].add_argument(f"--{option.name}", metavar=option.metavar, help=text)
    return parser.format_help()


def resolved_table(rows: Iterable[tuple[str, str, str]]) -> str:
    """Lines of (option, value, layer) in three aligned columns."""
    rows = [("option", "value", "set by"), *rows]
    # A long value (a list of files) moves its own line only, not the whole column.
    first = max(len(row[0]) for row in rows)
    second = max((len(row[1]) for row in rows if len(row[1]) <= 40), default=0)
    return "\n".join(f"{name:<{first}}  {value:<{second}}  {layer}" for name, value, layer in rows)
