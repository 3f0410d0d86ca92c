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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mos.errors import BadInput
from mos.files import atomic_path, sweep_temporaries

FOLDER = ".cache"  # in the folder of the report
# A file written twice within the grain of its file system's clock can look unchanged, so what was
# written just now is not kept: the next summary reads it again.
SETTLED_SECONDS = 3.0
_PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "jinja2")


class Kept:
    """What was made from a file: a head that is at hand, and a body that may stay on the disk."""

    def __init__(self, head: bytes, body: Callable[[], bytes]):
        self.head = head
        self._body = body

    def body(self) -> bytes:
        """Read, and made again if it was damaged, when it is first asked for."""
        body = self._body()
        self._body = lambda: body
        return body


class Cache:
    """Results by what they were made from, in packs: files that are read and replaced whole.

    With `folder` None nothing is kept beyond this object.
    """

    def __init__(self, folder: Path | None, scope: str = ""):
        """`scope` keeps apart what summaries of several trees into one folder remember."""
        self.folder = folder / digest([scope])[:16] if folder is not None else None
        self._packs: dict[str, _Pack] = {}
        self._stays: set[str] = set()

    def read_file(self, path: Path, pack: str, read: Callable[[Path], bytes]) -> bytes:
        """`read(path)`, or what it gave when the file was last as it is now.

        Args:
            pack: what is read, and thrown away, together; the name of a setting for instance.

        Raises:
            OSError: there is no such file; and whatever `read` raises.
        """
        return self.read_parts(path, pack, lambda path: (read(path), b"")).head

    def read_parts(
        self, path: Path, pack: str, read: Callable[[Path], tuple[bytes, bytes]]
    ) -> Kept:
        """As `read_file`, for a head and a body; a body that nobody asks for is not read."""
        # The stamp comes first: of a file that changes while it is read, the next summary finds another.
        stamp = os.stat(path)
        key = digest(["file", str(path), *map(str, _stamp(stamp))])
        known = self._pack(pack)
        found = known.get(key)
        if found is not None:

            def body() -> bytes:
                stored = known.body(found)
                return read(path)[1] if stored is None else stored

            return Kept(found.head, body)
        asked = time.time()
        head, body = read(path)
        known.put(key, head, body, keep=_is_settled(stamp, asked))
        return Kept(head, lambda: body)

    def remember(
        self,
        what: str,
        inputs: Sequence[str | bytes | np.ndarray],
        make: Callable[[], Any],
        *,
        pack: str = "",
        stays: Sequence[str] = (),
    ) -> Any:
        """`make()`, or what it gave for the same inputs; as JSON knows it, so tuples become lists.

        Args:
            what: the name of the computation.
            inputs: everything the result depends on but the code of the report: texts, bytes, arrays.
                Two equal lists must mean the same result.
            make: returns what JSON can hold; nan and infinity are kept.
            pack: as in `read_file`.
            stays: packs of other computations, by `pack_name`, that `make` would ask: what they hold stays
                though nobody asks for it.
        """
        plain = self.remember_text(
            what,
            inputs,
            lambda: json.dumps(make(), ensure_ascii=False),
            pack=pack,
            stays=stays,
        )
        return json.loads(plain)

    def remember_text(
        self,
        what: str,
        inputs: Sequence[str | bytes | np.ndarray],
        make: Callable[[], str],
        *,
        pack: str = "",
        stays: Sequence[str] = (),
    ) -> str:
        """As `remember`, for a text that is kept as it is."""
        known = self._pack(pack_name(what, pack))
        key = digest([what, *inputs])
        found = known.get(key)
        if found is not None:
            self._stays |= set(stays)
            return found.head.decode("utf-8", "surrogatepass")
        text = make()
        known.put(key, text.encode("utf-8", "surrogatepass"), b"", keep=True)
        return text

    def is_written(self, path: Path, inputs: Sequence[str | bytes | np.ndarray]) -> bool:
        """Whether an output is still the very file that `inputs` gave, by `note_output`."""
        found = self._pack("outputs").get(digest(["output", str(path), *inputs]))
        try:
            return found is not None and found.head == _output_stamp(path)
        except OSError:
            return False

    def note_output(
        self, path: Path, inputs: Sequence[str | bytes | np.ndarray], temporary: Path
    ) -> None:
        """Remembers what `inputs` gave: the file `temporary`, whole, before it takes the name `path`.

        By its inode, so that a file another process gives this name is not taken for it.
        """
        key = digest(["output", str(path), *inputs])
        self._pack("outputs").put(key, _output_stamp(temporary), b"", keep=True)

    def save(self) -> str:
        """Replaces the packs that have changed and drops what this object was not asked for.

        Returns:
            "" or, where the folder cannot be written to, the sentence that says so.
        """
        if self.folder is None:
            return ""
        try:
            for name, pack in self._packs.items():
                pack.save(stays=name in self._stays)
            if self.folder.is_dir():
                sweep_temporaries(self.folder)
                used = {self._path(name) for name in self._stays | self._packs.keys()}
                for path in set(self.folder.glob("*.pack")) - used:
                    path.unlink(missing_ok=True)
        except (BadInput, OSError) as error:
            return f"{self.folder}: the cache cannot be kept, so the next summary starts anew ({error})"
        return ""

    def _pack(self, name: str) -> "_Pack":
        if name not in self._packs:
            self._packs[name] = _Pack(self._path(name))
        return self._packs[name]

    def _path(self, name: str) -> Path | None:
        return self.folder / f"{digest([name])[:16]}.pack" if self.folder is not None else None


def pack_name(what: str, pack: str) -> str:
    """The pack in which `Cache.remember` keeps what."""
    return f"{what} {pack}"


@dataclass(frozen=True)
class _Entry:
    """A head, and a body that is at hand or lies in the file of its pack."""

    head: bytes
    place: int = 0  # of the body in the file
    length: int = 0
    check: int = 0
    body: bytes | None = None


class _Pack:
    """Entries in one file: a line of JSON (who wrote it; lengths and check sums), all heads, all bodies."""

    def __init__(self, path: Path | None):
        self.path = path
        self._file, self._stored = _open_pack(path) if path is not None else (None, {})
        self._used: dict[str, _Entry] = {}
        self._changed = False

    def get(self, key: str) -> _Entry | None:
        value = self._used.get(key)
        if value is None and (value := self._stored.get(key)) is not None:
            self._used[key] = value
        return value

    def body(self, entry: _Entry) -> bytes | None:
        """None where it is damaged."""
        if entry.body is not None:
            return entry.body
        found = os.pread(self._file.fileno(), entry.length, entry.place)
        return found if len(found) == entry.length and zlib.crc32(found) == entry.check else None

    def put(self, key: str, head: bytes, body: bytes, *, keep: bool) -> None:
        if keep:
            self._used[key] = _Entry(head, 0, len(body), zlib.crc32(body), body)
            self._changed = True

    def save(self, *, stays: bool) -> None:
        """Writes the file anew if anything in it is new or goes; with `stays` nothing goes."""
        kept = self._stored | self._used if stays else self._used
        if self.path is None or not (self._changed or len(kept) < len(self._stored)):
            return
        bodies = {key: self.body(entry) for key, entry in kept.items()}
        kept = {key: entry for key, entry in kept.items() if bodies[key] is not None}
        index = [
            [key, len(one.head), zlib.crc32(one.head), one.length, one.check]
            for key, one in kept.items()
        ]
        line = json.dumps({"code": code_version(), "entries": index}).encode()
        with atomic_path(self.path, flush=False) as temporary, open(temporary, "wb") as file:
            file.write(b"%d\n%s\n" % (zlib.crc32(line), line))
            file.writelines(one.head for one in kept.values())
            file.writelines(bodies[key] for key in kept)


def _open_pack(path: Path) -> tuple[BinaryIO | None, dict[str, _Entry]]:
    """A pack's file, and its entries; none if it is not there, damaged, or of other code."""
    entries: dict[str, _Entry] = {}
    try:
        # Kept open: the bodies of this very file are wanted, also when another takes its name.
        file = open(path, "rb")
        check, line = file.readline(), file.readline().removesuffix(b"\n")
        if int(check) != zlib.crc32(line):
            return file, {}
        known = json.loads(line)
        if known["code"] != code_version():
            return file, {}
        heads = file.read(sum(length for _, length, *_ in known["entries"]))
        at, place = 0, file.tell()
        for key, length, head_check, body_length, body_check in known["entries"]:
            head = heads[at : at + length]
            if len(head) == length and zlib.crc32(head) == head_check:
                entries[key] = _Entry(head, place, body_length, body_check)
            at, place = at + length, place + body_length
    except (OSError, ValueError, KeyError, TypeError):
        return None, {}
    return file, entries


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _output_stamp(path: Path) -> bytes:
    # Without the time of the change: it is also that of the renaming.
    status = os.stat(path)
    return repr((status.st_size, status.st_mtime_ns, status.st_ino)).encode()


def _is_settled(status: os.stat_result, now: float) -> bool:
    return max(status.st_mtime, status.st_ctime) + SETTLED_SECONDS < now


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
