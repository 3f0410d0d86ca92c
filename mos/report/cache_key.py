"""What says that two results are the same: a digest of all inputs, and the version of the code that made them."""

import hashlib
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

_PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "jinja2")


@lru_cache(maxsize=1)
def code_version() -> str:
    """A digest of all that turns files into numbers: the report's code and templates, and its packages."""
    here = Path(__file__).resolve().parent
    files = [*here.rglob("*"), *(here.parent / "metrics").glob("*.py"), here.parent / "folders.py"]
    skipped = {".pyc", ".pyo"}
    parts: list[str | bytes] = [sys.version, *map(_installed, _PACKAGES)]
    for path in sorted(path for path in files if path.is_file() and path.suffix not in skipped):
        parts += [str(path.relative_to(here.parent)), path.read_bytes()]
    return digest(parts)


def _installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} none"


def digest(parts: Iterable[str | bytes | np.ndarray]) -> str:
    """A digest in which no two different lists of parts look alike: each says its kind and length."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            kind = f"array {part.dtype.str} {part.shape}"
            if part.dtype.hasobject:
                raise TypeError("an array of objects has no bytes to compare; give texts")
            data = np.ascontiguousarray(part).data
        else:
            kind, data = type(part).__name__, (
                part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
            )
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        found.update(f"{kind} {size}\n".encode())
        found.update(data)
    return found.hexdigest()
