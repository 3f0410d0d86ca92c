"""The training loss of a segmentation run, and what of it goes to the log."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mos.engine.task import Batch, Scores
from mos.losses.edge import edge_samples
from mos.losses.partial import LOSSES
from mos.networks.outputs import Outputs


def training_loss(
    partial_labels: str,
    learnt: Sequence[int],
    sets: Sequence[str],
    memory_format: torch.memory_format | None,
) -> Callable[[nn.Module, Batch], Scores]:
    """The function of network and batch that a run trains with.

    A network that answers with several outputs learns from all of them: `dice_loss` and `ce_loss` are
    those of its logits, `auxiliary_loss` is the weighted sum over its auxiliary outputs, each with the same
    Dice and cross-entropy, or that of edges.

    Args:
        partial_labels: a key of `mos.losses.partial.LOSSES`.
        learnt: label ids learnt from any set.
        sets: names of the sets trained on; with several, each has parts of its own in the log.
        memory_format: how the network wants its images; None: as they come.

    Returns:
        A function with the means over samples `loss` = `dice_loss` + `ce_loss` (+ `auxiliary_loss`, of networks
        that have some), and with several sets the same names as `<name>[<set>]`: the sum over the set's
        samples and their number.
    """
    per_sample = LOSSES[partial_labels]

    def loss(network: nn.Module, batch: Batch) -> Scores:
        image = batch["image"]
        if memory_format is not None:
            image = image.contiguous(memory_format=memory_format)
        answer = network(image)
        outputs = answer if isinstance(answer, Outputs) else Outputs(answer)
        target = (batch["segment"], batch["annotated"], learnt)
        samples = dict(per_sample(outputs.logits, *target))
        for one in outputs.auxiliary:
            if one.target == "edge":
                value = edge_samples(one.logits, *target)
            else:
                value = sum(per_sample(one.logits, *target).values())
            samples["auxiliary_loss"] = samples.get("auxiliary_loss", 0) + one.weight * value
        means = {name: value.mean() for name, value in samples.items()}
        parts = {"loss": sum(means.values()), **means}
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
        sums = {"loss": sum(sums.values()), **sums}
        for name, value in sums.items():
            parts[f"{name}[{one}]"] = torch.stack([value, torch.full_like(value, len(rows))])
    return parts
