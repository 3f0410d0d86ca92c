"""Arrow arrays of plain values. `pyarrow.array` imports pandas to see whether a list is one of its columns.

That takes half a second, which is most of what a summary of one new epoch needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def texts(values: Sequence[str | None]) -> pa.Array:
    """Texts, null for None."""
    import pyarrow as pa

    data = [value.encode() if value is not None else b"" for value in values]
    ends = np.zeros(len(data) + 1, np.int32)
    np.cumsum([len(one) for one in data], out=ends[1:])
    parts = pa.py_buffer(ends), pa.py_buffer(b"".join(data)), _known(values)
    return pa.StringArray.from_buffers(len(data), *parts)


def numbers(values: Sequence[float | None], kind: type[np.number] = np.float64) -> pa.Array:
    """float64 or int64, null for None."""
    import pyarrow as pa

    data = np.array([0 if value is None else value for value in values], kind)
    type_ = pa.int64() if kind is np.int64 else pa.float64()
    return pa.Array.from_buffers(type_, len(data), [_known(values), pa.py_buffer(data)])


def integers(values: np.ndarray) -> pa.Array:
    """An array (n,) of whole numbers as int64."""
    import pyarrow as pa

    data = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data)])


def _known(values: Sequence[object]) -> pa.Buffer | None:
    """A bit per value, 1 for one that is there; None where all are."""
    import pyarrow as pa

    known = np.array([value is not None for value in values], bool)
    return None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
