"""Arrow arrays of plain values. `pyarrow.array` imports pandas to see whether a list is one of its columns.

That takes half a second, which is most of what a summary of one new epoch needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def texts(values: Sequence[str | None], times: Sequence[int] | int = 1) -> pa.Array:
    """Texts, null for None; `times`: how often each of them stands, behind each other."""
    import pyarrow as pa

    times = np.broadcast_to(np.asarray(times, np.int64), len(values))
    data = [value.encode() if value is not None else b"" for value in values]
    ends = np.zeros(int(times.sum()) + 1, np.int32)
    np.cumsum(np.repeat(np.array([len(one) for one in data], np.int32), times), out=ends[1:])
    whole = b"".join(one * int(count) for one, count in zip(data, times))
    parts = pa.py_buffer(ends), pa.py_buffer(whole), _known(values, times)
    return pa.StringArray.from_buffers(len(ends) - 1, *parts)


def numbers(
    values: Sequence[float | None],
    kind: type[np.number] = np.float64,
    times: Sequence[int] | int = 1,
) -> pa.Array:
    """float64 or int64, null for None; `times` as of `texts`."""
    import pyarrow as pa

    times = np.broadcast_to(np.asarray(times, np.int64), len(values))
    data = np.repeat(np.array([0 if value is None else value for value in values], kind), times)
    type_ = pa.int64() if kind is np.int64 else pa.float64()
    return pa.Array.from_buffers(type_, len(data), [_known(values, times), pa.py_buffer(data)])


def integers(values: np.ndarray) -> pa.Array:
    """An array (n,) of int64."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def known(values: np.ndarray) -> pa.Array:
    """An array (n,) of float64, null for nan."""
    import pyarrow as pa

    lacking = np.isnan(values)
    bits = _bits(~lacking) if lacking.any() else None
    return pa.Array.from_buffers(pa.float64(), len(values), [bits, pa.py_buffer(values)])


def truths(values: np.ndarray) -> pa.Array:
    """An array (n,) of bool."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def _known(values: Sequence[object], times: np.ndarray) -> pa.Buffer | None:
    """A bit per value, 1 for one that is there; None where all are."""
    known = np.array([value is not None for value in values], bool)
    return None if known.all() else _bits(np.repeat(known, times))


def _bits(values: np.ndarray) -> pa.Buffer:
    import pyarrow as pa

    return pa.py_buffer(np.packbits(values, bitorder="little"))
