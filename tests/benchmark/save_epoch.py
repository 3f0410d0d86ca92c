"""What saving adds to an epoch, against `torch.save` of the network's weights.

An epoch is its weights, the optimiser's moments (twice as large, kept for `latest`) and the table of losses; all
flushed to the disk before the folder is renamed, so that a power cut leaves no half of it. It is written while the
network is scored: what counts is by how much scoring and saving take longer than scoring alone, and, where nothing
is scored, the whole of it.
"""

import os
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from mos.engine.checkpoint import Saver, save_epoch, thin_out
from mos.engine.optimizer import make_optimizer
from tests.benchmark import is_quick, plain_row, race, say

REACH = 1.1


def network(width: int) -> nn.Module:
    """Convolutions with as many weights as a 2-D U-Net of 7.8 M (width 512) has."""
    return nn.Sequential(*[nn.Conv2d(width, width, 3, padding=1) for _ in range(3)])


def main() -> None:
    quick = is_quick(__doc__)
    net = network(256 if quick else 512)
    optimizer = make_optimizer(net, 1e-3, 1e-2)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    table = {"epoch_losses": torch.zeros(100)}
    weights, state = net.state_dict(), {"optimizer": optimizer.state_dict()}
    images = torch.rand(1, 256 if quick else 512, 32, 32)
    with tempfile.TemporaryDirectory() as name, Saver() as saver, torch.no_grad():
        folder, numbers = Path(name), iter(range(1, 10**6))

        def plain(content: object, flush: bool = False) -> None:
            torch.save(content, folder / "peer.pt")
            if flush:
                with open(folder / "peer.pt", "rb") as file:
                    os.fsync(file.fileno())

        def score() -> None:
            for _ in range(passes):
                net(images)

        def score_and_save() -> None:
            saver.begin(folder, next(numbers), net, state, table)
            score()
            saver.wait()
            thin_out(folder)

        def save() -> None:
            save_epoch(folder, next(numbers), net, state, table)
            thin_out(folder)

        save()
        started = time.perf_counter()
        save()
        wanted, started = time.perf_counter() - started, time.perf_counter()
        net(images)
        # Scoring that takes a few times as long as saving, as that of a real test set does.
        passes = max(1, int(4 * wanted / max(1e-4, time.perf_counter() - started)))
        times = race(
            {
                "scoring": score,
                "scoring and saving": score_and_save,
                "saving": save,
                "weights": lambda: plain(weights),
                "weights and moments, flushed": lambda: plain([weights, state], True),
            },
            6 if quick else 40,
            time.perf_counter,  # the disk is waited for, not worked with
        )
        kept = sorted(file.name for file in (folder / "latest").iterdir())
    least = {contestant: min(values) for contestant, values in times.items()}
    added = max(0.0, least["scoring and saving"] - least["scoring"])
    mib = sum(value.nbytes for value in weights.values()) / 2**20
    for what, ours, peer, reach in (
        ("added to an epoch that is scored", added, "weights", REACH),
        ("where nothing is scored", least["saving"], "weights and moments, flushed", None),
    ):
        ratio = ours / least[peer]
        plain_row(
            f"saving an epoch of {mib:.0f} MiB of weights, {what}",
            f"{1e3 * ours:.0f} ms",
            f"torch.save of {peer} {1e3 * least[peer]:.0f} ms",
            f"takes {ratio:.2f}x (best rounds)",
            f"<= {reach}x" if reach else "-",
            ratio <= reach if reach else "-",
        )
    say(f"scoring alone {1e3 * least['scoring']:.0f} ms; in latest: {kept}")


if __name__ == "__main__":
    main()
