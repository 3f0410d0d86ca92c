"""What an earlier summary has read and computed, kept so that the next one need not do it again.

Nothing here decides a number. An entry is used only if all that made it is as it was: a file by its path,
size, times and inode, a computation by the bytes of its inputs, both by the code of the report and the
versions of what it stands on. Entries carry check sums, so a damaged cache is a slow one, not a wrong one;
it may be deleted at any time. Several summaries at once replace each other's packs whole.
"""

import hashlib
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from mos.errors import BadInput
from mos.files import atomic_path, sweep_temporaries

FOLDER = ".cache"  # in the folder of the report
# A file written twice within the grain of its file system's clock can look unchanged, so what was
# written just now is not kept: the next summary reads it again.
SETTLED_SECONDS = 3.0
_PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "jinja2")


class Cache:
    """Results by what they were made from, in packs: files that are read and replaced whole.

    With `folder` None nothing is kept beyond this object.
    """

    def __init__(self, folder: Path | None, scope: str = ""):
        """`scope` keeps apart what summaries of several trees into one folder remember."""
        self.folder = folder / _digest([scope])[:16] if folder is not None else None
        self._packs: dict[str, _Pack] = {}

    def read_file(self, path: Path, pack: str, read: Callable[[Path], bytes]) -> bytes:
        """`read(path)`, or what it gave when the file was last as it is now.

        Args:
            pack: what is read, and thrown away, together; the name of a setting for instance.

        Raises:
            OSError: there is no such file; and whatever `read` raises.
        """
        # The stamp comes first: of a file that changes while it is read, the next summary finds another.
        status = os.stat(path)
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        key = _digest(["file", str(path), *map(str, stamp)])
        known = self._pack(pack)
        value = known.get(key)
        if value is None:
            asked = time.time()
            value = read(path)
            settled = max(status.st_mtime, status.st_ctime) + SETTLED_SECONDS < asked
            known.put(key, value, keep=settled)
        return value

    def remember(
        self,
        what: str,
        inputs: Sequence[str | bytes | np.ndarray],
        make: Callable[[], Any],
        *,
        pack: str = "",
    ) -> Any:
        """`make()`, or what it gave for the same inputs; as JSON knows it, so tuples become lists.

        Args:
            what: the name of the computation.
            inputs: everything the result depends on but the code of the report: texts, bytes, arrays.
                Two equal lists must mean the same result.
            make: returns what JSON can hold; nan and infinity are kept.
            pack: as in `read_file`.
        """
        known = self._pack(f"{what} {pack}")
        key = _digest([what, *inputs])
        value = known.get(key)
        if value is None:
            value = json.dumps(make(), ensure_ascii=False).encode()
            known.put(key, value, keep=True)
        return json.loads(value)

    def save(self) -> str:
        """Replaces the packs that have changed and drops what this object was not asked for.

        Returns:
            "" or, where the folder cannot be written to, the sentence that says so.
        """
        if self.folder is None:
            return ""
        try:
            for pack in self._packs.values():
                pack.save()
            if self.folder.is_dir():
                sweep_temporaries(self.folder)
                used = {pack.path for pack in self._packs.values()}
                for path in set(self.folder.glob("*.pack")) - used:
                    path.unlink(missing_ok=True)
        except (BadInput, OSError) as error:
            return f"{self.folder}: the cache cannot be kept, so the next summary starts anew ({error})"
        return ""

    def _pack(self, name: str) -> "_Pack":
        if name not in self._packs:
            path = self.folder / f"{_digest([name])[:16]}.pack" if self.folder is not None else None
            self._packs[name] = _Pack(path)
        return self._packs[name]


class _Pack:
    """Entries in one file: a line of JSON (who wrote it; key, length and check sum of each), the bytes."""

    def __init__(self, path: Path | None):
        self.path = path
        self._stored = _read_pack(path) if path is not None else {}
        self._used: dict[str, bytes] = {}
        self._changed = False

    def get(self, key: str) -> bytes | None:
        value = self._used.get(key)
        if value is None and (value := self._stored.get(key)) is not None:
            self._used[key] = value
        return value

    def put(self, key: str, value: bytes, *, keep: bool) -> None:
        if keep:
            self._used[key] = value
            self._changed = True

    def save(self) -> None:
        if self.path is None or not (self._changed or len(self._used) < len(self._stored)):
            return
        index = [[key, len(value), zlib.crc32(value)] for key, value in self._used.items()]
        head = json.dumps({"code": code_version(), "entries": index}).encode()
        content = b"%d\n%s%s" % (zlib.crc32(head), head, b"\n")
        with atomic_path(self.path, flush=False) as temporary, open(temporary, "wb") as file:
            file.write(content)
            file.writelines(self._used.values())


def _read_pack(path: Path) -> dict[str, bytes]:
    """The entries of a pack; none if it is not there, damaged, or of other code."""
    try:
        content = path.read_bytes()
        check, head, _ = content.split(b"\n", 2)
        if int(check) != zlib.crc32(head):
            return {}
        known = json.loads(head)
        if known["code"] != code_version():
            return {}
        place, entries = len(check) + len(head) + 2, {}
        for key, length, check_sum in known["entries"]:
            value = content[place : place + length]
            place += length
            if len(value) == length and zlib.crc32(value) == check_sum:
                entries[key] = value
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return entries


@lru_cache(maxsize=1)
def code_version() -> str:
    """A digest of all that turns files into numbers: the report's code and templates, and its packages."""
    here = Path(__file__).resolve().parent
    files = [*here.rglob("*"), *(here.parent / "metrics").glob("*.py"), here.parent / "folders.py"]
    skipped = {".pyc", ".pyo"}
    parts: list[str | bytes] = [sys.version, *map(_installed, _PACKAGES)]
    for path in sorted(path for path in files if path.is_file() and path.suffix not in skipped):
        parts += [str(path.relative_to(here.parent)), path.read_bytes()]
    return _digest(parts)


def _installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} none"


def _digest(parts: Sequence[str | bytes | np.ndarray]) -> str:
    """A digest in which no two different lists of parts look alike: each says its kind and length."""
    digest = hashlib.blake2b(digest_size=16)
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
        digest.update(f"{kind} {size}\n".encode())
        digest.update(data)
    return digest.hexdigest()
