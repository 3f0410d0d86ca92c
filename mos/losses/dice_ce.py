"""Soft Dice + cross-entropy on marginal probabilities: the loss of every segmentation run.

Every term is an average over one sample, then over samples. The loss of a batch is therefore the
mean of the losses of its parts: 1 process x 4 cases steps like 2 processes x 2.
"""

import torch
from torch import Tensor

from mos.losses.marginal import (
    Annotated,
    annotated_mask,
    marginal_log_probabilities,
    marginal_segment,
)

# Voxels added above and below a present label's Dice: a sliver of one voxel pulls half as hard.
SMOOTH = 1.0
# A label absent from the sample pulls like a label that fills this part of it.
ABSENT_PART = 0.01


def dice_ce(logits: Tensor, segment: Tensor, annotated: Annotated) -> dict[str, Tensor]:
    """Soft Dice loss plus cross-entropy, averaged per sample.

    Cross-entropy: -log p of the right label, mean over voxels. Dice, for each annotated label:

        present: 1 - (2 I + 1) / (P + T + 1)    I, P, T: sums over voxels of p t, p and t
        absent:  P / (P + 0.01 N)               N: voxels of a sample

    and their mean over annotated labels. The Dice of an absent label is 0 / P: as it stands its
    loss is 1 with no slope. Here it falls to 0 with P, and its slope, at most 100 / N, is about
    that of a label filling 1 % of the sample, so slices without an organ correct inventions
    without drowning the slices that show it. (Milletari et al. 2016 for the soft Dice.)

    Args:
        logits: (bs, label_count, ...) any float type; computed in float32, under autocast too.
        segment: (bs, ...) integer label ids; ids that are not annotated count as background.
        annotated: one sequence of label ids (1..label_count-1) for the whole batch, or one a sample.
            Probabilities of other ids are added to background (`mos.losses.marginal`).

    Returns:
        Float32 scalars `loss` = `dice_loss` (0..1) + `ce_loss` (0 up). A sample that annotates
        nothing contributes 0 to both.

    Raises:
        ValueError: shapes that do not fit, an id outside 1..label_count-1.
    """
    bs, label_count = logits.shape[:2]
    if segment.shape != (bs, *logits.shape[2:]):
        raise ValueError(
            f"logits {tuple(logits.shape)} need a segment of shape "
            f"{(bs, *logits.shape[2:])}, got {tuple(segment.shape)}"
        )
    log_chance = marginal_log_probabilities(logits, annotated).flatten(2)  # (bs, label_count, n)
    target = marginal_segment(segment, annotated, label_count).flatten(1)  # (bs, n)
    counted = annotated_mask(annotated, bs, label_count).to(logits.device, non_blocking=True)

    right = log_chance.gather(1, target[:, None])[:, 0]  # (bs, n)
    ce_loss = -right.mean(1)
    dice_loss = _dice_loss(log_chance.exp(), right.exp(), target, counted)
    dice_loss, ce_loss = dice_loss.mean(), ce_loss.mean()
    return {"loss": dice_loss + ce_loss, "dice_loss": dice_loss, "ce_loss": ce_loss}


def _dice_loss(chance: Tensor, right: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """(bs,) mean Dice loss over the counted labels.

    Args:
        chance: (bs, label_count, n) probabilities.
        right: (bs, n) probability of the right label.
        target: (bs, n) int64 right label.
        counted: (bs, label_count) bool, the labels that enter the mean.
    """
    # The overlap of p with a one-hot target is the sum of `right` by label: no one-hot is made.
    empty = chance.new_zeros(counted.shape)
    overlap = empty.scatter_add(1, target, right)
    true_size = empty.scatter_add(1, target, torch.ones_like(right))
    size = chance.sum(2)
    present = 1 - (2 * overlap + SMOOTH) / (size + true_size + SMOOTH)
    absent = size / (size + ABSENT_PART * target.shape[1])
    loss = torch.where(true_size > 0, present, absent)
    return (loss * counted).sum(1) / counted.sum(1).clamp(min=1)
