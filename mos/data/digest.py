"""Names voxels by what they hold: the same voxels in two files get the same name."""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

HASH_WHOLE = 1 << 30  # more bytes than this are sampled, see `content_digest`
_BLOCK, _BLOCKS = 1 << 20, 64


def image_digest(image: np.ndarray) -> str:
    """SHA-256 of an image's shape and bytes, in hex; about 1 GB/s.

    Args:
        image: (ch, d, h, w) uint8.
    """
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image))
    return digest.hexdigest()


def content_digest(arrays: Mapping[str, np.ndarray], text: str) -> str:
    """SHA-256 of named arrays and a text, however they are stored.

    Names, shapes, types and the text count whole. The values count whole where all arrays together
    take up to 1 GiB. Else 64 blocks of 1 MiB, spread evenly over each array, stand for them, and the
    result begins with `blocks-`: a change between the blocks stays unseen.

    Args:
        arrays: first dimension = rows; mapped files are read row by row or block by block.
    """
    whole = sum(array.nbytes for array in arrays.values()) <= HASH_WHOLE
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name} {array.shape} {array.dtype.str}\0".encode())
        for block in _rows(array) if whole else _blocks(array):
            digest.update(block)
    return digest.hexdigest() if whole else f"blocks-{digest.hexdigest()}"


def _rows(array: np.ndarray) -> Iterable[np.ndarray]:
    return (np.ascontiguousarray(row) for row in array)


def _blocks(array: np.ndarray) -> Iterable[np.ndarray]:
    values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    if values.size <= _BLOCK * _BLOCKS:
        return (values,)
    starts = ((values.size - _BLOCK) * number // (_BLOCKS - 1) for number in range(_BLOCKS))
    return (values[start : start + _BLOCK] for start in starts)
