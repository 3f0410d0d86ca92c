"""Outlines of all labels and the distances between them, with numpy and scipy alone.

What kernel.c does where there is no compiler, to the last bit: the least of
((a_d - b_d)^2 + (a_h - b_h)^2) + (a_w - b_w)^2 in doubles, where the coordinates are index * spacing.

Most voxels have the other outline a few voxels away, which looking there finds faster than a tree
does: the voxels around are looked at in shells of equal distance, for all labels at once. A tree
answers for those that have nothing near.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SLAB = 1 << 18  # voxels outlined at a time: what is made on the way stays in the processor's cache
_BLOCK = 1 << 13  # outline voxels that look around at a time, for the same reason
_REACH = 8  # voxels along an axis that looking around goes at most
_LOOKS = 256  # voxels around one that are looked at, at most
# A tree's answer costs as much as this many looks: so many a hit may cost, and so many are risked.
_WORTH, _RISK = 150, 40
# Distances that differ by less are looked at together: which is smaller hangs on rounding.
_TIE = 1e-9


@dataclass(frozen=True)
class _Outline:
    """The outline voxels of a map, sorted by label and within a label as in the map."""

    voxels: np.ndarray  # (n, 3) int64 indices along d, h, w
    ids: np.ndarray  # (n,) uint8
    starts: np.ndarray  # (257,) where each label's begin

    def of(self, label: int) -> slice:
        return slice(self.starts[label], self.starts[label + 1])


def distances(
    prediction: np.ndarray, reference: np.ndarray, labels: Sequence[int], spacing: np.ndarray
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """What `surface.surface_distances` returns, as pairs of arrays (n,) and (m,), in mm."""
    wanted = np.zeros(256, bool)
    wanted[list(labels)] = True
    ours, theirs = (_outline(label_map, wanted) for label_map in (prediction, reference))
    there, back = _nearest(ours, theirs, spacing), _nearest(theirs, ours, spacing)
    return {label: (there[ours.of(label)], back[theirs.of(label)]) for label in labels}


def _outline(label_map: np.ndarray, wanted: np.ndarray) -> _Outline:
    """Finds the outlines of the labels (256,) bool that are wanted, a few slices at a time."""
    step = max(1, _SLAB // max(1, label_map[:1].size))
    voxels, ids = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.uint8)]
    for start in range(0, len(label_map), step):
        slab = label_map[start : start + step]
        rows = np.bitwise_or.reduce(slab, axis=0)
        window = []
        for axis in (1, 0):
            used = np.flatnonzero(rows.any(axis=axis))
            window.append(slice(used[0], used[-1] + 1) if used.size else slice(0, 0))
        if not window[0].stop:
            continue
        # A slice more on either side, to see whether the label ends there.
        first, last = max(0, start - 1), min(len(label_map), start + step + 1)
        edge = _edge(label_map[(slice(first, last), *window)], label_map.shape)
        inside = slice(start - first, start - first + len(slab))
        where = np.flatnonzero(edge[inside])
        found = slab[(slice(None), *window)]
        names = found.ravel()[where]
        if not wanted[names].all():
            where, names = where[wanted[names]], names[wanted[names]]
        places = np.stack(np.unravel_index(where, found.shape), 1)
        voxels.append(places + (start, window[0].start, window[1].start))
        ids.append(names)
    names = np.concatenate(ids)
    order = np.argsort(names, kind="stable")  # a radix sort for uint8
    names = names[order]
    starts = np.searchsorted(names, np.arange(257))
    return _Outline(np.concatenate(voxels)[order], names, starts)


def _edge(labels: np.ndarray, image: tuple[int, ...]) -> np.ndarray:
    """(d, h, w) bool: labelled voxels with a neighbour of another label, or none.

    Args:
        labels: a part of the image beyond which is nothing or background, or of which the outermost
            slices are of no interest.
        image: voxels of the whole image; an axis of one has no neighbours, see `surface`.
    """
    edge = np.zeros(labels.shape, bool)
    axes = [axis for axis, size in enumerate(image) if size > 1] or [0]
    for axis in axes:
        ours, edges = np.moveaxis(labels, axis, 0), np.moveaxis(edge, axis, 0)
        edges[:1] = edges[-1:] = True
        differs = ours[1:] != ours[:-1]
        edges[1:] |= differs
        edges[:-1] |= differs
    edge &= labels > 0
    return edge


def _nearest(ours: _Outline, others: _Outline, spacing: np.ndarray) -> np.ndarray:
    """(n,) mm from each of our voxels to the nearest other one of its label; inf without one."""
    squares = np.full(len(ours.ids), np.inf)
    asking = np.flatnonzero((np.diff(others.starts) > 0)[ours.ids])
    if asking.size:
        asking = _look_around(ours, others, spacing, asking, squares)
    result = np.sqrt(squares)
    for label in np.unique(ours.ids[asking]):
        one = asking[ours.ids[asking] == label]
        result[one] = _ask_tree(
            ours.voxels[one] * spacing, others.voxels[others.of(label)] * spacing
        )
    return result


def _ask_tree(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) mm from each point to the nearest of the others."""
    from scipy.spatial import cKDTree  # not needed where there is a compiler

    # Grid points need no balancing: the plain tree builds faster and answers as fast.
    tree = cKDTree(others, leafsize=32, balanced_tree=False, compact_nodes=False)
    # A branch is left out when it is farther by more than what rounding may hide.
    return tree.query(points, eps=-_TIE)[0]


def _look_around(
    ours: _Outline,
    others: _Outline,
    spacing: np.ndarray,
    asking: np.ndarray,
    squares: np.ndarray,
) -> np.ndarray:
    """Writes squared distances of voxels that have another near; returns which have not.

    Args:
        asking: (k,) indices into our voxels that have a label the other outline has too.
        squares: (n,) mm^2, written.
    """
    both = np.concatenate([ours.voxels[asking], others.voxels])
    low = both.min(0) - _REACH
    shape = tuple(both.max(0) - low + _REACH + 1)
    # Pages of zeros that are not touched take no memory: far specks make the box large, not full.
    field = np.zeros(shape, np.uint8).ravel()
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    field[(others.voxels - low) @ strides] = others.ids
    left = []
    for start in range(0, len(asking), _BLOCK):
        block = asking[start : start + _BLOCK]
        voxels, ids = ours.voxels[block], ours.ids[block]
        places = (voxels - low) @ strides
        open_ = np.arange(len(block))
        looks, found = 0, 0
        for shell in _shells(tuple(spacing)):
            if not open_.size or looks > _WORTH * found + _RISK * len(block):
                break
            around = field[places[open_, None] + shell @ strides]
            who, where = np.nonzero(around == ids[open_, None])
            looks += around.size
            if not who.size:
                continue
            who = open_[who]
            steps = voxels[who] * spacing - (voxels[who] + shell[where]) * spacing
            steps *= steps
            new = (steps[:, 0] + steps[:, 1]) + steps[:, 2]
            first = np.flatnonzero(np.diff(who, prepend=-1))  # the hits of a voxel lie together
            squares[block[who[first]]] = np.minimum.reduceat(new, first)
            found += first.size
            open_ = open_[np.isinf(squares[block[open_]])]
        left.append(block[open_])
    return np.concatenate(left)


@functools.lru_cache(maxsize=64)
def _shells(spacing: tuple[float, float, float]) -> tuple[np.ndarray, ...]:
    """Steps (k, 3) in voxels to all voxels at a distance, for each distance from 0 outwards."""
    along = np.arange(-_REACH, _REACH + 1)
    steps = np.stack(np.meshgrid(along, along, along, indexing="ij"), -1).reshape(-1, 3)
    lengths = np.sqrt(((steps * spacing) ** 2).sum(1))
    order = np.argsort(lengths, kind="stable")
    steps, lengths = steps[order], lengths[order]
    # Beyond this there are voxels at the same distance that the cube of steps does not reach.
    complete = np.count_nonzero(lengths < (_REACH + 1) * min(spacing) * (1 - _TIE))
    ends = 1 + np.flatnonzero(np.diff(lengths) > _TIE * lengths[1:])
    ends = ends[ends <= min(complete, _LOOKS)]
    return tuple(np.split(steps, ends)[:-1])
