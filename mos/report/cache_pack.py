"""A file of remembered results: entries by key, each with a check sum, read and replaced whole."""

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mos.files import atomic_path
from mos.report.cache_key import code_version


@dataclass(frozen=True)
class Entry:
    """A head, and a body that is at hand or lies in the file of its pack."""

    head: bytes
    place: int = 0  # of the body in the file
    length: int = 0
    check: int = 0
    body: bytes | None = None


class Pack:
    """Entries in one file: a line of JSON (who wrote it; lengths and check sums), all heads, all bodies."""

    def __init__(self, path: Path | None):
        self.path = path
        self._file, self._stored = _open(path) if path is not None else (None, {})
        self._used: dict[str, Entry] = {}
        self._changed = False

    def get(self, key: str) -> Entry | None:
        value = self._used.get(key)
        if value is None and (value := self._stored.get(key)) is not None:
            self._used[key] = value
        return value

    def body(self, entry: Entry) -> bytes | None:
        """None where it is damaged."""
        if entry.body is not None:
            return entry.body
        found = os.pread(self._file.fileno(), entry.length, entry.place)
        return found if len(found) == entry.length and zlib.crc32(found) == entry.check else None

    def put(self, key: str, head: bytes, body: bytes, *, keep: bool) -> None:
        if keep:
            self._used[key] = Entry(head, 0, len(body), zlib.crc32(body), body)
            self._changed = True

    def save(self) -> None:
        """Writes the file anew if anything in it is new, or was not asked for, and goes."""
        kept = self._used
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


def _open(path: Path) -> tuple[BinaryIO | None, dict[str, Entry]]:
    """A pack's file, and its entries; none if it is not there, damaged, or of other code."""
    entries: dict[str, Entry] = {}
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
                entries[key] = Entry(head, place, body_length, body_check)
            at, place = at + length, place + body_length
    except (OSError, ValueError, KeyError, TypeError):
        return None, {}
    return file, entries
