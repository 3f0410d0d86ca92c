"""Voxels that may be anything are left out: the plainest way with partial labels.

In a sample that annotates some labels, a voxel without one of them is background or an organ nobody
drew. Such voxels count for nothing here; those of samples that annotate everything all count.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mos.losses.dice_ce import check_shapes, dice_ce_samples, in_order, soft_dice_loss
from mos.losses.marginal import Annotated, annotated_groups, marginal_logits, marginal_segment


def ignore_samples(
    logits: Tensor, segment: Tensor, annotated: Annotated, learnt: Sequence[int]
) -> dict[str, Tensor]:
    """Soft Dice loss and cross-entropy of each sample over the voxels whose label is known.

    A sample that annotates all that is learnt has the losses of `dice_ce_samples`. In any other, the
    voxels that carry one of its labels are kept, and all learnt labels compete for them: cross-entropy
    is the mean over the kept voxels, Dice the mean over the annotated labels with all sums over the
    kept voxels.

    Args:
        logits: (bs, label_count, ...) any float type; computed in float32, under autocast too.
        segment: (bs, ...) integer label ids.
        annotated: one sequence of label ids (1..label_count-1) for the whole batch, or one a sample.
        learnt: the ids learnt from any sample; probabilities of others are added to background.

    Returns:
        `dice_loss` (bs,) 0..1 and `ce_loss` (bs,) 0 up, float32. Both are 0 for a sample with no
        voxel to keep.

    Raises:
        ValueError: shapes that do not fit, an id outside 1..label_count-1.
    """
    check_shapes(logits, segment)
    bs, label_count = logits.shape[:2]
    learnt = tuple(sorted(learnt))
    parts = []
    with torch.autocast(logits.device.type, enabled=False):
        for labels, rows in annotated_groups(annotated, bs, label_count).items():
            x, y = (logits, segment) if len(rows) == bs else (logits[rows], segment[rows])
            if set(learnt) <= set(labels):
                parts.append((rows, dice_ce_samples(x, y, learnt)))
            else:
                parts.append((rows, _partial(x.float(), y, labels, learnt)))
    return in_order(parts)


def _partial(
    logits: Tensor, segment: Tensor, labels: Sequence[int], learnt: Sequence[int]
) -> dict[str, Tensor]:
    log_chance = marginal_logits(logits, learnt).log_softmax(1).flatten(2)
    target = marginal_segment(segment, learnt).flatten(1)
    columns = [1 + place for place, label in enumerate(learnt) if label in labels]
    masks = [target == column for column in columns]
    kept = sum(masks, torch.zeros_like(target, dtype=torch.float32))
    kept_size = kept.sum(1)
    right = log_chance.gather(1, target[:, None])[:, 0]
    ce_loss = -(right * kept).sum(1) / kept_size.clamp_min(1)
    dice_loss = torch.zeros_like(ce_loss)
    for column, mask in zip(columns, masks):
        chance = log_chance[:, column].exp() * kept
        overlap, size, true_size = (chance * mask).sum(1), chance.sum(1), mask.sum(1)
        one = soft_dice_loss(overlap, size, true_size, kept_size.clamp_min(1))
        dice_loss = dice_loss + one / len(columns)
    return {"dice_loss": dice_loss, "ce_loss": ce_loss}
