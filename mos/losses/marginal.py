"""Marginal probabilities: what a data set does not annotate is added to background before a loss.

A data set that annotates the liver only says nothing about the kidneys. Its "background" means
"liver or nothing else of mine", so the probabilities of all ids it does not annotate belong to
background while training on it (marginal loss: Fang & Yan 2020, "Multi-organ segmentation over
partially labeled datasets"; Shi et al. 2021, "Marginal loss and exclusion loss for partially
supervised multi-organ segmentation").
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Annotated = Sequence[int] | Sequence[Sequence[int]]


def annotated_mask(annotated: Annotated, bs: int, label_count: int) -> Tensor:
    """Which foreground labels each sample annotates.

    Args:
        annotated: one sequence of label ids for the whole batch, or one such sequence per sample.
        bs: number of samples.
        label_count: number of labels, background included.

    Returns:
        (bs, label_count) bool on the CPU; column 0 (background) is always False.

    Raises:
        ValueError: an id outside 1..label_count-1, or not one sequence per sample.
    """
    if all(isinstance(label, int) for label in annotated):
        annotated = [annotated] * bs
    if len(annotated) != bs:
        raise ValueError(f"{len(annotated)} label lists for {bs} samples: give one for each or one")
    mask = torch.zeros(bs, label_count, dtype=torch.bool)
    for row, labels in zip(mask, annotated):
        labels = list(labels)
        if any(not 1 <= label < label_count for label in labels):
            raise ValueError(f"annotated labels {labels}: needs ids from 1 to {label_count - 1}")
        row[labels] = True
    return mask


def marginal_log_probabilities(logits: Tensor, annotated: Annotated) -> Tensor:
    """The logarithm of `marginal_probabilities`; -inf in the channels of ids not annotated."""
    bs, label_count = logits.shape[:2]
    mask = annotated_mask(annotated, bs, label_count)
    with torch.autocast(logits.device.type, enabled=False):
        logits = logits.float()
        if not mask[:, 1:].all():
            shape = (bs, label_count, *[1] * (logits.ndim - 2))
            mask = mask.to(logits.device, non_blocking=True).view(shape)
            # exp(a) + exp(b) of probabilities is logsumexp of logits: stable, and -inf has no pull.
            background = logits.masked_fill(mask, -torch.inf).logsumexp(1, keepdim=True)
            others = logits[:, 1:].masked_fill(~mask[:, 1:], -torch.inf)
            logits = torch.cat([background, others], 1)
        return logits.log_softmax(1)


def marginal_probabilities(logits: Tensor, annotated: Annotated) -> Tensor:
    """Probabilities in which background holds everything that is not annotated.

    Args:
        logits: (bs, label_count, ...) any float type; computed in float32, under autocast too.
        annotated: one sequence of label ids (1..label_count-1) for the whole batch, or one a sample.

    Returns:
        (bs, label_count, ...) float32 in 0..1, sum 1 over labels; exactly 0 for ids not annotated.

    Raises:
        ValueError: an id outside 1..label_count-1, or not one sequence per sample.
    """
    return marginal_log_probabilities(logits, annotated).exp()


def marginal_segment(segment: Tensor, annotated: Annotated, label_count: int) -> Tensor:
    """The segmentation such a data set can speak for: every id it does not annotate is background.

    Args:
        segment: (bs, ...) integer label ids, 0..255.
        annotated: one sequence of label ids (1..label_count-1) for the whole batch, or one a sample.
        label_count: number of labels, background included.

    Returns:
        (bs, ...) int64.
    """
    bs = segment.shape[0]
    mask = annotated_mask(annotated, bs, label_count)
    segment = segment.long()
    if mask[:, 1:].all():
        return torch.where(segment < label_count, segment, 0)
    table = torch.zeros(bs, 256, dtype=torch.int64)  # an id is a uint8, so 256 rows hold them all
    table[:, :label_count] = torch.arange(label_count) * mask
    table = table.to(segment.device, non_blocking=True)
    return table.gather(1, segment.flatten(1)).view_as(segment)
