"""Soft Dice + cross-entropy on marginal probabilities: the loss of every segmentation run.

Every term is an average over one sample, then over samples. The loss of a batch is therefore the
mean of the losses of its parts: 1 process x 4 cases steps like 2 processes x 2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mos.losses.marginal import Annotated, annotated_groups, marginal_logits, marginal_segment

# Voxels added above and below a present label's Dice: a sliver of one voxel pulls half as hard.
SMOOTH = 1.0
# A label absent from the sample pulls like a label that fills this part of it.
ABSENT_PART = 0.01


def dice_ce(logits: Tensor, segment: Tensor, annotated: Annotated) -> dict[str, Tensor]:
    """Soft Dice loss plus cross-entropy: the means over the samples of `dice_ce_samples`.

    Returns:
        Float32 scalars `loss` = `dice_loss` (0..1) + `ce_loss` (0 up).

    Raises:
        ValueError: shapes that do not fit, an id outside 1..label_count-1.
    """
    samples = dice_ce_samples(logits, segment, annotated)
    dice_loss, ce_loss = samples["dice_loss"].mean(), samples["ce_loss"].mean()
    return {"loss": dice_loss + ce_loss, "dice_loss": dice_loss, "ce_loss": ce_loss}


def dice_ce_samples(logits: Tensor, segment: Tensor, annotated: Annotated) -> dict[str, Tensor]:
    """Soft Dice loss and cross-entropy of each sample.

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
            x, y = (logits, segment) if len(rows) == bs else (logits[rows], segment[rows])
            log_chance = marginal_logits(x.float(), labels).log_softmax(1).flatten(2)
            target = marginal_segment(y, labels).flatten(1)
            right = log_chance.gather(1, target[:, None])[:, 0]
            dice_loss = _dice_loss(log_chance.exp(), right.exp(), target)
            parts.append((rows, {"dice_loss": dice_loss, "ce_loss": -right.mean(1)}))
    return in_order(parts)


def check_shapes(logits: Tensor, segment: Tensor) -> None:
    """Refuses a segment that is not (bs, ...) for logits (bs, label_count, ...).

    Raises:
        ValueError: says both shapes.
    """
    needed = (logits.shape[0], *logits.shape[2:])
    if segment.shape != needed:
        raise ValueError(
            f"logits {tuple(logits.shape)} need a segment of shape {needed}, got {tuple(segment.shape)}"
        )


def in_order(parts: Sequence[tuple[Sequence[int], dict[str, Tensor]]]) -> dict[str, Tensor]:
    """Joins the losses of groups of samples; the rows say which samples of the batch they are."""
    if len(parts) == 1:
        return parts[0][1]
    rows = torch.tensor([row for members, _ in parts for row in members])
    back = rows.argsort().to(next(iter(parts[0][1].values())).device)
    return {name: torch.cat([part[name] for _, part in parts])[back] for name in parts[0][1]}


def _dice_loss(chance: Tensor, right: Tensor, target: Tensor) -> Tensor:
    """(bs,) mean Dice loss over labels 1..k.

    Args:
        chance: (bs, 1 + k, n) probabilities.
        right: (bs, n) probability of the right label.
        target: (bs, n) int64 right label, 0..k.
    """
    n, labels = target.shape[1], range(1, chance.shape[1])
    if not labels:
        return 0 * right.sum(1)
    # The overlap of p with a one-hot target is the sum of `right` where the target is the label:
    # no one-hot is made, and unlike scatter_add it sums in the same order every time on a GPU.
    target = target.to(torch.uint8)
    masks = [target == label for label in labels]
    overlap = torch.stack([(right * mask).sum(1) for mask in masks], 1)
    true_size = torch.stack([mask.sum(1) for mask in masks], 1)
    size = chance.sum(2)[:, 1:]
    return soft_dice_loss(overlap, size, true_size, n).mean(1)


def soft_dice_loss(
    overlap: Tensor, size: Tensor, true_size: Tensor, voxels: int | Tensor
) -> Tensor:
    """The Dice loss of `dice_ce_samples` from its sums, of present and of absent labels.

    Args:
        overlap, size, true_size: I, P and T, of one shape.
        voxels: N.
    """
    present = 1 - (2 * overlap + SMOOTH) / (size + true_size + SMOOTH)
    absent = size / (size + ABSENT_PART * voxels)
    return torch.where(true_size > 0, present, absent)
