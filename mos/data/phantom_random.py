"""Random numbers of the phantom that come out the same on every machine.

Only the raw PCG64 stream (which NumPy promises to keep), integers, and + - * / sqrt (which IEEE 754
rounds in one way) are used: no sin, exp or library normals, whose last digit differs between CPUs.
"""

import hashlib
import math
from collections.abc import Mapping

import numpy as np

VERSION = 1  # written into every manifest; bump it when a change moves pixels

# Standard deviation of the sum of four independent uniform 16-bit integers.
_FOUR_WORDS_MEAN, _FOUR_WORDS_STD = 2 * 65535, math.sqrt(4 * (65536**2 - 1) / 12)


class Draw:
    """A stream of numbers named by a key: the same key gives the same numbers, always."""

    def __init__(self, *key: str | int) -> None:
        text = ":".join(str(part) for part in (VERSION, *key))
        digest = hashlib.sha256(text.encode()).digest()
        self._bits = np.random.PCG64(int.from_bytes(digest[:16], "little"))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number in [low, high)."""
        return low + (high - low) * ((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def normals(self, *shape: int) -> np.ndarray:
        """Float32 of that shape, mean 0, standard deviation 1, within +-3.47.

        The sum of four 16-bit uniforms (Irwin-Hall): nearly normal, and exact integer arithmetic.
        """
        words = self._bits.random_raw(math.prod(shape)).view(np.uint16).reshape(-1, 4)
        words = words.astype(np.int32)
        total = words[:, 0] + words[:, 1] + words[:, 2] + words[:, 3] - _FOUR_WORDS_MEAN
        return (total.astype(np.float32) / np.float32(_FOUR_WORDS_STD)).reshape(shape)

    def normal(self, mean: float = 0.0, spread: float = 1.0) -> float:
        return mean + spread * float(self.normals(1)[0])

    def choice(self, chances: Mapping[str, float]) -> str:
        """One key, drawn with the given chances (they add up to 1)."""
        left = self.uniform()
        for key, chance in chances.items():
            left -= chance
            if left < 0:
                return key
        return key


def smooth_noise(lattice: np.ndarray, cell: float, *axes: np.ndarray | float) -> np.ndarray:
    """Linear interpolation of a lattice of random values centred on 0 mm, repeated without end.

    Args:
        lattice: (n, ...) values at lattice points, one dimension for each of `axes`.
        cell: distance of lattice points in mm.
        axes: positions in mm along each dimension; a plain number drops that dimension.

    Returns:
        Float32 on the grid that the axes span, such as (h, w).
    """
    dim = 0
    for position in axes:
        place = np.asarray(position, np.float32) / np.float32(cell)
        low = np.floor(place)
        weight = (place - low).astype(np.float32)
        count = lattice.shape[dim]
        index = (low.astype(np.int64) + count // 2) % count
        weight = weight.reshape(weight.shape + (1,) * (lattice.ndim - dim - 1))
        first, second = (np.take(lattice, i, axis=dim) for i in (index, (index + 1) % count))
        lattice = first + (second - first) * weight
        dim += place.ndim
    return lattice
