"""One sigmoid per label, trained only where the label is annotated: the other way with partial labels.

MultiTalent (Ulrich et al. 2023, "MultiTalent: A multi-dataset approach to medical image
segmentation"): labels do not compete, and a set says nothing of the channels it does not annotate.
There the soft Dice runs over all samples of a batch; here over each, so that a batch may be split
over processes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mos.losses.dice_ce import check_shapes, in_order, soft_dice_loss
from mos.losses.marginal import Annotated, annotated_groups


def mask_samples(logits: Tensor, segment: Tensor, annotated: Annotated) -> dict[str, Tensor]:
    """Binary cross-entropy and soft Dice loss of each sample, mean over its annotated labels.

    The Dice of a label is that of `mos.losses.dice_ce`, present or absent, of p = sigmoid(logit).
    The logit of background is not used.

    Args:
        logits: (bs, label_count, ...) any float type; computed in float32, under autocast too.
        segment: (bs, ...) integer label ids.
        annotated: one sequence of label ids (1..label_count-1) for the whole batch, or one a sample.

    Returns:
        `dice_loss` (bs,) 0..1 and `ce_loss` (bs,) 0 up, float32. Both are 0 for a sample that
        annotates nothing.

    Raises:
        ValueError: shapes that do not fit, an id outside 1..label_count-1.
    """
    check_shapes(logits, segment)
    bs, label_count = logits.shape[:2]
    parts = []
    with torch.autocast(logits.device.type, enabled=False):
        for labels, rows in annotated_groups(annotated, bs, label_count).items():
            x = logits[rows].float().flatten(2)
            y = segment[rows].flatten(1)
            nothing = 0 * x.sum((1, 2))
            dice_loss, ce_loss = nothing, nothing
            for label in labels:
                channel, target = x[:, label], (y == label).float()
                bce = F.binary_cross_entropy_with_logits(channel, target, reduction="none")
                ce_loss = ce_loss + bce.mean(1) / len(labels)
                dice_loss = dice_loss + _dice_loss(channel.sigmoid(), target) / len(labels)
            parts.append((rows, {"dice_loss": dice_loss, "ce_loss": ce_loss}))
    return in_order(parts)


def _dice_loss(chance: Tensor, target: Tensor) -> Tensor:
    """(bs,) Dice loss of one label; chance and target (bs, n)."""
    overlap, size, true_size = (chance * target).sum(1), chance.sum(1), target.sum(1)
    return soft_dice_loss(overlap, size, true_size, chance.shape[1])


def mask_probabilities(logits: Tensor, labels: Sequence[int]) -> Tensor:
    """A distribution over labels whose largest entry is what thresholding the sigmoids gives.

    softmax of 0 for background and z for each learnt label: background wins exactly where every
    sigmoid(z) is below 0.5, else the label with the largest sigmoid does.

    Args:
        logits: (bs, label_count, ...) any float type; computed in float32, under autocast too.
        labels: ids that were learnt.

    Returns:
        (bs, label_count, ...) float32 in 0..1, sum 1 over labels; exactly 0 for ids not learnt.
    """
    with torch.autocast(logits.device.type, enabled=False):
        kept = torch.full_like(logits, -torch.inf, dtype=torch.float32)
        kept[:, 0] = 0
        kept[:, list(labels)] = logits[:, list(labels)].float()
        return kept.softmax(1)
