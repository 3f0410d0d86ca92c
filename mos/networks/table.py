"""The table of networks: a name on a launcher is a line here and a file beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mos.networks import unet


@dataclass(frozen=True)
class Network:
    """How to build a network, and the dimensions it comes in."""

    build: Callable[..., Any]
    dims: tuple[int, ...]


# The files import torch and MONAI inside `build`, so that `--help` can list the names quickly.
NETWORKS: dict[str, Network] = {
    "unet": Network(unet.build, unet.DIMS),
}
