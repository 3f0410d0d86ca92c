"""What a user may ask of a network: what it heeds. Anything else is refused by name, never ignored."""

from collections.abc import Mapping
from typing import Any, Protocol

from mos.errors import BadInput
from mos.networks.table import Wish
from mos.shapes import format_numbers

# The wish behind each option, and the values of these options that ask for nothing.
WISHES: dict[str, Wish] = {
    "model_channels": "channels",
    "model_norm": "norm",
    "model_dropout": "dropout",
    "encoder": "encoder",
    "encoder_weights": "encoder",
}
NONE = (None, (), "auto", 0.0)


class Heeding(Protocol):
    """A line of a table of networks."""

    @property
    def takes(self) -> tuple[Wish, ...]: ...


def refuse_unheeded(options: Any, table: Mapping[str, Heeding]) -> None:
    """Refuses what was asked of a network that would not heed it.

    Args:
        options: with `model` and the options of WISHES.
        table: the networks of the task, by name.

    Raises:
        BadInput: names the option and the networks that heed it.
    """
    for name, wish in WISHES.items():
        value = getattr(options, name)
        if value in NONE or wish in table[options.model].takes:
            continue
        able = [one for one, network in table.items() if wish in network.takes]
        said = format_numbers(value) if isinstance(value, tuple) else value
        raise BadInput(
            f"--{name} {said}: {options.model} does not heed it; leave the option out, or take a network that "
            f"heeds it: {', '.join(able)}"
        )
