"""The compiled half of the metrics: built from kernel.c on first use where there is a C compiler.

Plain C through ctypes: it needs a compiler once, for about a second, and no package, and knows nothing
of the versions of Python, numpy or torch. numba would be two more packages of every installation, which
follow numpy with a delay; torch's cpp_extension needs ninja too, and a build that was killed leaves a lock
for which later ones wait.

Where nothing can be built the metrics are computed with numpy and scipy: the same numbers, slower.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np

from mos import files, folders
from mos.errors import BadInput

_SOURCE = Path(__file__).with_name("kernel.c")
# No -march=native, so that a cache folder may be shared by different nodes of a cluster; without
# contraction, since numpy rounds after each operation.
_FLAGS = ("-O3", "-std=c99", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared")
_LARGEST = 1 << 16  # voxels along an axis: positions are 16 bit wide


class Kernel:
    """The functions of kernel.c on numpy arrays."""

    def __init__(self, path: Path):
        library = ctypes.CDLL(str(path))
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        library.mos_outlines.restype = pointer
        library.mos_outlines.argtypes = [pointer] * 5
        library.mos_distances.restype = ctypes.c_int
        library.mos_distances.argtypes = [pointer] * 5
        library.mos_free.restype = None
        library.mos_free.argtypes = [pointer]
        library.mos_counts.restype = None
        library.mos_counts.argtypes = [pointer, pointer, number, pointer, pointer, pointer]
        self._library = library

    def distances(
        self, prediction: np.ndarray, reference: np.ndarray, labels: list[int], spacing: np.ndarray
    ) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """What `surface.surface_distances` returns, as pairs of arrays (n,) and (m,), in mm.

        Raises:
            MemoryError: there is not enough memory.
        """
        prediction, reference = (np.ascontiguousarray(m, np.uint8) for m in (prediction, reference))
        size = np.array(prediction.shape, np.int32)
        wanted = np.zeros(256, np.uint8)
        wanted[labels] = 1
        counts = np.zeros((2, 256), np.int64)
        found = self._library.mos_outlines(
            *map(_address, (prediction, reference, size, wanted, counts))
        )
        if not found:
            raise MemoryError("no memory for the outlines of the label maps")
        try:
            ours, theirs = (np.empty(int(n)) for n in counts.sum(1))
            squares = [np.square(np.arange(n) * mm) for n, mm in zip(prediction.shape, spacing)]
            tables = (ctypes.c_void_p * 3)(*map(_address, squares))
            if not self._library.mos_distances(
                found, _address(spacing), tables, _address(ours), _address(theirs)
            ):
                raise MemoryError("no memory for the distances between outlines")
        finally:
            self._library.mos_free(found)
        stops = counts.cumsum(1)
        starts = stops - counts
        return {
            k: (ours[starts[0, k] : stops[0, k]], theirs[starts[1, k] : stops[1, k]])
            for k in labels
        }

    def counts(self, prediction: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """(3, 256) int64 voxels by label id: in both maps, in the prediction, in the reference."""
        prediction, reference = (np.ascontiguousarray(m, np.uint8) for m in (prediction, reference))
        counts = np.zeros((3, 256), np.int64)
        self._library.mos_counts(
            _address(prediction), _address(reference), prediction.size, *map(_address, counts)
        )
        return counts


def fits(prediction: np.ndarray, reference: np.ndarray) -> bool:
    """Whether these maps are what the kernel takes: uint8, with voxels, and not too long."""
    is_bytes = prediction.dtype == reference.dtype == np.uint8
    return is_bytes and prediction.size > 0 and max(prediction.shape) <= _LARGEST


@functools.cache
def load() -> tuple[Kernel | None, str]:
    """The kernel, or None, and in words where it is from or why there is none.

    It is kept in `kernel/` of the cache folder. `MOS_KERNEL` names another folder, or is `off`.
    """
    place = os.environ.get("MOS_KERNEL", "")
    if place.lower() in ("off", "0", "false", "no"):
        return None, "off: MOS_KERNEL says so"
    compiler = _compiler()
    if not compiler:
        return None, "off: no C compiler found (cc, gcc or clang; CC names another one)"
    path = Path(place or folders.cache_root() / "kernel") / f"{_name(compiler)}.so"
    try:
        if not path.is_file():
            _build(compiler, path)
        if path.stat().st_uid != _user():
            return (
                None,
                f"off: {path} is another user's; MOS_CACHE names a cache folder of your own",
            )
        return Kernel(path), f"on: {path}"
    except (BadInput, OSError, subprocess.SubprocessError, AttributeError) as error:
        return None, f"off: {_reason(error)}"


def _compiler() -> str | None:
    names = [os.environ.get("CC"), "cc", "gcc", "clang"]
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


def _name(compiler: str) -> str:
    """Another name for each source, way of building, kind of machine and user.

    By user, because what lies there is run: in a folder that many write to, each builds his own.
    """
    parts = (
        _SOURCE.read_text(encoding="utf-8"),
        *_FLAGS,
        platform.platform(),
        compiler,
        str(_user()),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0  # what Windows says of every file's owner


def _build(compiler: str, path: Path) -> None:
    # Several processes may build at once: each its own file, and the last one to be ready stays.
    with files.atomic_path(path, flush=False) as temporary:
        command = [compiler, *_FLAGS, "-o", str(temporary), str(_SOURCE), "-lm"]
        subprocess.run(command, check=True, capture_output=True, timeout=120, text=True)


def _reason(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return said.strip().partition("\n")[0]


def _address(array: np.ndarray) -> int:
    return array.ctypes.data
