"""Outlines of all labels and the distances between them, with numpy and scipy alone.

What kernel.c does where there is no compiler, to the last bit: the least of ((i s)^2 + (j t)^2) + (k u)^2
in doubles, where i, j, k are steps along d, h, w and s, t, u the spacing.

Most voxels have the other outline a few steps away, where looking is faster than asking a tree: the
voxels around are looked at from the nearest outwards, for all labels at once, and the first hit is the
answer. A tree answers for those that have nothing near.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SLAB = 1 << 18  # voxels outlined at a time: what is made on the way stays in the processor's cache
_BLOCK = 1 << 13  # outline voxels that look around at a time, for the same reason
_REACH = 8  # voxels along an axis that looking around goes at most
_STOPS = (
    1,
    7,
    19,
    33,
    57,
    93,
    147,
    256,
    512,
    1024,
    2048,
)  # looks after which those that hit are let go
# A tree's answer costs as much as this many looks: so many a hit may cost, and so many are risked.
_WORTH, _RISK = 150, 40


@dataclass(frozen=True)
class _Outline:
    """The outline voxels of a map, sorted by label and within a label as in the map."""

    voxels: np.ndarray  # (3, n) int64 indices along d, h, w
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
    depth = len(label_map)
    step = max(1, _SLAB // max(1, label_map[:1].size))
    axes = [axis for axis, size in enumerate(label_map.shape) if size > 1] or [0]
    voxels, ids = [np.zeros((3, 0), np.int64)], [np.zeros(0, np.uint8)]
    for start in range(0, depth, step):
        stop = min(depth, start + step)
        rows = np.bitwise_or.reduce(label_map[start:stop], axis=0)
        used = [np.flatnonzero(np.bitwise_or.reduce(rows, axis=axis)) for axis in (1, 0)]
        if not used[0].size:
            continue
        low, high = np.array([(u[0], u[-1] + 1) for u in used]).T
        window = tuple(map(slice, low, high))
        # Zeros around it, and the slices before and after it where there are any.
        slab = np.zeros((stop - start + 2, *(high - low + 2)), np.uint8)
        first, last = max(0, start - 1), min(depth, stop + 1)
        inside = slice(first - start + 1, last - start + 1)
        slab[inside, 1:-1, 1:-1] = label_map[(slice(first, last), *window)]
        edge = _edge(slab, axes)
        edge[0] = edge[-1] = False
        where = np.flatnonzero(edge)
        names = slab.ravel()[where]
        if not wanted[names].all():
            where, names = where[wanted[names]], names[wanted[names]]
        # Dividing 32 bits is four times faster than np.unravel_index.
        where = where.astype(np.uint32 if slab.size < 1 << 32 else np.uint64)
        _, height, width = slab.shape
        row = where // width
        place = np.empty((3, where.size), np.int64)
        place[0] = row // height
        place[1] = row - (row // height) * height
        place[2] = where - row * width
        place += np.array([[start - 1], [low[0] - 1], [low[1] - 1]])
        voxels.append(place)
        ids.append(names)
    names = np.concatenate(ids)
    order = np.argsort(names, kind="stable")  # a radix sort for uint8
    names = names[order]
    starts = np.searchsorted(names, np.arange(257))
    return _Outline(np.concatenate(voxels, axis=1).take(order, axis=1), names, starts)


def _edge(labels: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """(d, h, w) bool: labelled voxels with a neighbour of another label along one of the axes.

    The outermost voxels along h and w must be zero, so that a step in memory is a step in space.
    """
    flat = labels.ravel()
    edge = np.zeros(flat.shape, bool)
    for axis in axes:
        step = (labels.shape[1] * labels.shape[2], labels.shape[2], 1)[axis]
        differs = flat[step:] != flat[:-step]
        edge[step:] |= differs
        edge[:-step] |= differs
    edge &= flat != 0
    return edge.reshape(labels.shape)


def _nearest(ours: _Outline, others: _Outline, spacing: np.ndarray) -> np.ndarray:
    """(n,) mm from each of our voxels to the nearest other one of its label; inf without one."""
    squares = np.full(len(ours.ids), np.inf)
    asking = np.flatnonzero((np.diff(others.starts) > 0)[ours.ids])
    if asking.size:
        asking = _look_around(ours, others, spacing, asking, squares)
    for label in np.unique(ours.ids[asking]):
        one = asking[ours.ids[asking] == label]
        squares[one] = _ask_tree(ours.voxels[:, one], others.voxels[:, others.of(label)], spacing)
    return np.sqrt(squares)


def _square(steps: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """(n,) mm^2 of (3, n) steps in voxels, rounded as kernel.c rounds."""
    mm = steps * spacing[:, None]
    mm *= mm
    return (mm[0] + mm[1]) + mm[2]


def _ask_tree(voxels: np.ndarray, others: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """(n,) mm^2 from each voxel to the nearest of the others, with a tree."""
    from scipy.spatial import cKDTree  # not needed where there is a compiler

    # Grid points need no balancing: the plain tree builds faster and answers as fast.
    tree = cKDTree(others.T * spacing, leafsize=32, balanced_tree=False, compact_nodes=False)
    points = voxels.T * spacing
    # The tree rounds in its own way: which of those that are as near is the nearest, we say.
    reach = tree.query(points)[0] * (1 + 1e-9)
    near = tree.query_ball_point(points, reach)
    counts = np.fromiter(map(len, near), np.int64, len(near))
    who = np.repeat(np.arange(len(near)), counts)
    squares = _square(voxels[:, who] - others[:, np.concatenate(near).astype(np.int64)], spacing)
    return np.minimum.reduceat(squares, np.cumsum(counts) - counts)


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
    steps, lengths = _steps(tuple(map(float, spacing)))
    low = np.minimum(ours.voxels.min(1), others.voxels.min(1)) - _REACH
    high = np.maximum(ours.voxels.max(1), others.voxels.max(1)) + _REACH
    shape = high - low + 1
    strides = (int(shape[1] * shape[2]), int(shape[2]), 1)
    origin = -int(low @ strides)
    # Pages of zeros that are not touched take no memory: far specks make the box large, not full.
    field = np.zeros(int(shape.prod()), np.uint8)
    field[_places(others.voxels, strides) + origin] = others.ids
    places, jumps = _places(ours.voxels, strides) + origin, _places(steps, strides)
    left = []
    for start in range(0, len(asking), _BLOCK):
        block = asking[start : start + _BLOCK]
        size, looks, hits, stop = len(block), 0, 0, 0
        while stop < len(jumps) and block.size and looks <= _WORTH * hits + _RISK * size:
            first, stop = stop, next((n for n in _STOPS if n > stop), len(jumps))
            around = field[places[block, None] + jumps[first:stop]] == ours.ids[block, None]
            nearest = around.argmax(1)
            hit = around[np.arange(len(block)), nearest]
            squares[block[hit]] = lengths[first + nearest[hit]]
            looks += around.size
            block = block[~hit]
            hits = size - len(block)
        left.append(block)
    return np.concatenate(left)


def _places(voxels: np.ndarray, strides: Sequence[int]) -> np.ndarray:
    """(n,) places in memory of voxels (3, n)."""
    return voxels[0] * strides[0] + voxels[1] * strides[1] + voxels[2]


@functools.lru_cache(maxsize=64)
def _steps(spacing: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The steps (3, k) in voxels to all voxels around one, the nearest first, and (k,) mm^2 of each."""
    along = np.arange(-_REACH, _REACH + 1)
    steps = np.stack(np.meshgrid(along, along, along, indexing="ij")).reshape(3, -1)
    lengths = _square(steps, np.array(spacing))
    # As far as a voxel beyond the cube of steps there is none that is nearer.
    inside = np.flatnonzero(lengths < ((_REACH + 1) * min(spacing)) ** 2)
    order = inside[np.argsort(lengths[inside], kind="stable")][: _STOPS[-1]]
    return steps[:, order], lengths[order]
