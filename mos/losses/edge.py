"""Edges of structures as a second target: binary cross-entropy of where the label changes.

Deep supervision of an edge branch (Fan et al. 2020, "Inf-Net"). Nothing needs drawing for it: the edge is
computed from the segmentation, between a structure and background as between two structures.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mos.losses.dice_ce import in_order
from mos.losses.marginal import Annotated, annotated_groups, marginal_segment

_IDS = 256  # segments are uint8
_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def edges(segment: Tensor, annotated: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Where labels touch, and where that is known.

    A voxel is on an edge when not all voxels of its 3 x 3 (x 3) neighbourhood have the same label;
    the image's border is no edge. Far from every annotated structure a voxel may lie on the edge of
    an organ nobody drew, so only the neighbourhood of annotated structures is known.

    Args:
        segment: (bs, *size) integer label ids.
        annotated: ids that are annotated; others count as background.

    Returns:
        `edge` and `known`, (bs, *size) bool; an edge is always known.
    """
    target = marginal_segment(segment, sorted(annotated)).float()[:, None]
    pool = _POOLS[segment.dim() - 1]
    highest, lowest = pool(target, 3, 1, 1)[:, 0], -pool(-target, 3, 1, 1)[:, 0]
    return highest != lowest, highest > 0


def edge_samples(
    logits: Tensor, segment: Tensor, annotated: Annotated, learnt: Sequence[int]
) -> Tensor:
    """Binary cross-entropy of each sample's edge map.

    The mean is over all voxels of a sample that annotates all that is learnt, and over the known
    ones (`edges`) of any other.

    Args:
        logits: (bs, 1, *size) any float type; computed in float32, under autocast too.
        segment: (bs, *size) integer label ids.
        annotated: one sequence of label ids for the whole batch, or one a sample.
        learnt: the ids learnt from any sample.

    Returns:
        (bs,) float32, 0 up; 0 for a sample without a known voxel.

    Raises:
        ValueError: shapes that do not fit.
    """
    needed = (segment.shape[0], 1, *segment.shape[1:])
    if logits.shape != needed:
        raise ValueError(f"edge logits {tuple(logits.shape)}: needed {needed}")
    parts = []
    with torch.autocast(logits.device.type, enabled=False):
        for labels, rows in annotated_groups(annotated, len(segment), _IDS).items():
            edge, known = edges(segment[rows], labels)
            if set(learnt) <= set(labels):
                known = torch.ones_like(edge)
            x = logits[rows, 0].float()
            loss = F.binary_cross_entropy_with_logits(x, edge.float(), reduction="none")
            known = known.flatten(1)
            mean = (loss.flatten(1) * known).sum(1) / known.sum(1).clamp_min(1)
            parts.append((rows, {"edge_loss": mean}))
    return in_order(parts)["edge_loss"]
