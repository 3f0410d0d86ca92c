"""The training loss of a segmentation run, and what of it goes to the log."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mos.engine.task import Batch, Scores
from mos.losses.partial import LOSSES


def training_loss(
    partial_labels: str,
    learnt: Sequence[int],
    sets: Sequence[str],
    memory_format: torch.memory_format | None,
) -> Callable[[nn.Module, Batch], Scores]:
    """The function of network and batch that a run trains with.

    Args:
        partial_labels: a key of `mos.losses.partial.LOSSES`.
        learnt: label ids learnt from any set.
        sets: names of the sets trained on; with several, each has parts of its own in the log.
        memory_format: how the network wants its images; None: as they come.

    Returns:
        A function with the means over samples `loss` = `dice_loss` + `ce_loss`, and with several sets
        `loss[<set>]`, `dice_loss[<set>]`, `ce_loss[<set>]`: the sum over the set's samples and their number.
    """
    per_sample = LOSSES[partial_labels]

    def loss(network: nn.Module, batch: Batch) -> Scores:
        image = batch["image"]
        if memory_format is not None:
            image = image.contiguous(memory_format=memory_format)
        samples = per_sample(network(image), batch["segment"], batch["annotated"], learnt)
        means = {name: value.mean() for name, value in samples.items()}
        parts = {"loss": means["dice_loss"] + means["ce_loss"], **means}
        if len(sets) > 1:
            parts |= _by_set(samples, batch["set"], sets)
        return parts

    return loss


def _by_set(samples: Scores, owners: Sequence[str], sets: Sequence[str]) -> dict[str, Tensor]:
    """Sum over the samples of a set and how many they are, (2,), for each set."""
    parts = {}
    for one in sets:
        rows = [row for row, owner in enumerate(owners) if owner == one]
        sums = {name: value.detach()[rows].sum() for name, value in samples.items()}
        sums = {"loss": sums["dice_loss"] + sums["ce_loss"], **sums}
        for name, value in sums.items():
            parts[f"{name}[{one}]"] = torch.stack([value, torch.full_like(value, len(rows))])
    return parts
