"""Saving an epoch against `torch.save` of its weights, and of weights and optimiser state.

An epoch is its weights, the optimiser's moments (twice as large, kept for `latest`) and the table of losses; all
flushed to the disk before the folder is renamed, so that a power cut leaves no half of it.
"""

import os
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from mos.engine.checkpoint import save_epoch, thin_out
from mos.engine.optimizer import make_optimizer
from tests.benchmark import is_quick, plain_row, race, say

REACH = 1.1


def network(width: int) -> nn.Module:
    """Convolutions with as many weights as a 2-D U-Net of 7.8 M (width 512) has."""
    return nn.Sequential(*[nn.Conv2d(width, width, 3) for _ in range(3)])


def main() -> None:
    quick = is_quick(__doc__)
    net = network(256 if quick else 512)
    optimizer = make_optimizer(net, 1e-3, 1e-2)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    table = {"epoch_losses": torch.zeros(100)}
    with tempfile.TemporaryDirectory() as name:
        folder, numbers = Path(name), iter(range(1, 10**6))

        def ours() -> None:
            state = {"optimizer": optimizer.state_dict()}
            save_epoch(folder, next(numbers), net, state, table)
            thin_out(folder)

        def plain(content: object, flush: bool) -> None:
            torch.save(content, folder / "peer.pt")
            if flush:
                with open(folder / "peer.pt", "rb") as file:
                    os.fsync(file.fileno())

        weights = net.state_dict()
        both = {"weights": weights, "optimizer": optimizer.state_dict()}
        times = race(
            {
                "an epoch": ours,
                "weights": lambda: plain(weights, False),
                "weights, flushed": lambda: plain(weights, True),
                "weights and moments, flushed": lambda: plain(both, True),
            },
            4 if quick else 20,
            time.perf_counter,  # the disk is waited for, not worked with
        )
        kept = sorted(file.name for file in (folder / "latest").iterdir())
    least = {contestant: min(values) for contestant, values in times.items()}
    mib = sum(value.nbytes for value in weights.values()) / 2**20
    for peer in ("weights", "weights and moments, flushed"):
        ratio = least["an epoch"] / least[peer]
        plain_row(
            f"saving an epoch of {mib:.0f} MiB of weights",
            f"{1e3 * least['an epoch']:.0f} ms",
            f"torch.save of {peer} {1e3 * least[peer]:.0f} ms",
            f"takes {ratio:.2f}x (best rounds)",
            f"<= {REACH}x" if peer == "weights" else "-",
            ratio <= REACH if peer == "weights" else "-",
        )
    say(
        f"torch.save of weights, flushed: {1e3 * least['weights, flushed']:.0f} ms; in latest: {kept}"
    )


if __name__ == "__main__":
    main()
