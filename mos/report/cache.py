"""What an earlier summary has read and computed, kept so that the next one need not do it again.

Nothing here decides a number. An entry is used only if all that made it is as it was: a file by its path,
size, times and inode, a computation by the bytes of its inputs, both by the code of the report and the
versions of what it stands on. Entries carry check sums, so a damaged cache is a slow one, not a wrong one;
it may be deleted at any time. Several summaries at once replace each other's packs whole.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mos.errors import BadInput
from mos.files import sweep_temporaries
from mos.report.cache_key import digest
from mos.report.cache_pack import Pack

FOLDER = ".cache"  # in the folder of the report
# A file written twice within the grain of its file system's clock can look unchanged, so what was
# written just now is not kept: the next summary reads it again.
SETTLED_SECONDS = 3.0


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
        self._packs: dict[str, Pack] = {}
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
        key = digest([f"file {_stamp(stamp)} {path}"])
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
            stays: packs of other computations, by `pack_name`, that `make` would ask: they stay as they
                are if nobody asks them.
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
            self.keep(stays)
            return found.head.decode("utf-8", "surrogatepass")
        text = make()
        known.put(key, text.encode("utf-8", "surrogatepass"), b"", keep=True)
        return text

    def keep(self, packs: Iterable[str]) -> None:
        """Packs, by `pack_name`, that stay as they are if nobody asks them."""
        self._stays |= set(packs)

    def recall(self, pack: str, about: Sequence[str]) -> bytes | None:
        """What `store` was last given; None where it is not known."""
        found = self._pack(pack).get(digest([pack, *about]))
        return found.head if found is not None else None

    def store(self, pack: str, about: Sequence[str], content: bytes) -> None:
        """Keeps what is no result of a computation, but a state of something; see `recall`."""
        self._pack(pack).put(digest([pack, *about]), content, b"", keep=True)

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
                used = {self._path(name) for name in self._stays | self._packs.keys()}
                # Not what another summary is about to rename: that begins with a dot, and glob finds it.
                for path in set(self.folder.glob("[!.]*.pack")) - used:
                    path.unlink(missing_ok=True)
        except (BadInput, OSError) as error:
            return f"{self.folder}: the cache cannot be kept, so the next summary starts anew ({error})"
        return ""

    def _pack(self, name: str) -> Pack:
        if name not in self._packs:
            self._packs[name] = Pack(self._path(name))
        return self._packs[name]

    def _path(self, name: str) -> Path | None:
        return self.folder / f"{digest([name])[:16]}.pack" if self.folder is not None else None


def pack_name(what: str, pack: str) -> str:
    """The pack in which `Cache.remember` keeps what."""
    return f"{what} {pack}"


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _is_settled(status: os.stat_result, now: float) -> bool:
    return max(status.st_mtime, status.st_ctime) + SETTLED_SECONDS < now
