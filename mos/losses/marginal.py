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


def annotated_groups(
    annotated: Annotated, bs: int, label_count: int
) -> dict[tuple[int, ...], list[int]]:
    """Which samples of a batch annotate the same labels.

    Args:
        annotated: one sequence of label ids for the whole batch, or one such sequence per sample.
        bs: number of samples.
        label_count: number of labels, background included.

    Returns:
        Rows of the batch by the ascending label ids they annotate.

    Raises:
        ValueError: an id outside 1..label_count-1, or not one sequence per sample.
    """
    if all(isinstance(label, int) for label in annotated):
        annotated = [annotated] * bs
    if len(annotated) != bs:
        raise ValueError(f"{len(annotated)} label lists for {bs} samples: give one for each or one")
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, labels in enumerate(annotated):
        labels = tuple(sorted(set(map(int, labels))))
        if labels and not 1 <= labels[0] <= labels[-1] < label_count:
            raise ValueError(f"annotated labels {labels}: needs ids from 1 to {label_count - 1}")
        groups.setdefault(labels, []).append(row)
    return groups


def marginal_logits(logits: Tensor, labels: Sequence[int]) -> Tensor:
    """Logits of background and the given labels alone; background stands for all others.

    exp(a) + exp(b) of probabilities is logsumexp of logits: stable, and the softmax of the result
    is the marginal one.

    Args:
        logits: (bs, label_count, ...) float32.
        labels: k ascending label ids out of 1..label_count-1.

    Returns:
        (bs, 1 + k, ...): background, then `labels` in their order.
    """
    if len(labels) == logits.shape[1] - 1:
        return logits
    channels = logits.unbind(1)
    others = [channel for label, channel in enumerate(channels) if label not in labels]
    background = torch.stack(others, 1).logsumexp(1)
    return torch.stack([background, *(channels[label] for label in labels)], 1)


def marginal_segment(segment: Tensor, labels: Sequence[int]) -> Tensor:
    """The right channel of `marginal_logits` at every voxel: other ids are background.

    Args:
        segment: (bs, ...) integer label ids, 0..255.
        labels: k ascending label ids.

    Returns:
        (bs, ...) int64, 0..k.
    """
    segment = segment.long()
    if tuple(labels) == tuple(range(1, len(labels) + 1)):
        return torch.where(segment > len(labels), 0, segment)
    table = torch.zeros(256, dtype=torch.int64)  # ids are uint8: 256 rows hold them all
    table[list(labels)] = torch.arange(1, len(labels) + 1)
    return table.to(segment.device, non_blocking=True)[segment]


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
    bs, label_count = logits.shape[:2]
    rows: list[Tensor] = [logits] * bs
    with torch.autocast(logits.device.type, enabled=False):
        for labels, members in annotated_groups(annotated, bs, label_count).items():
            chance = marginal_logits(logits[members].float(), labels).softmax(1)
            absent = torch.zeros_like(chance[:, 0])
            column = {label: index for index, label in enumerate((0, *labels))}
            channels = [chance[:, column[i]] if i in column else absent for i in range(label_count)]
            for row, result in zip(members, torch.stack(channels, 1)):
                rows[row] = result
    return torch.stack(rows)
