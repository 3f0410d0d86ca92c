"""What files an earlier summary wrote from what: they need not be written again, or only in pieces."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from mos.report.cache import Cache

_WRITTEN, _PIECES = "outputs", "pieces"  # packs


def is_written(cache: Cache, path: Path, made_from: str) -> bool:
    """Whether an output is still the very file that `made_from` gave, by `note_output`."""
    found = cache.recall(_WRITTEN, [str(path), made_from])
    try:
        return found is not None and found == _stamp(os.stat(path))
    except OSError:
        return False


def note_output(cache: Cache, path: Path, made_from: str, temporary: Path) -> None:
    """Remembers what `made_from` gave: the file `temporary`, whole, before it takes the name `path`.

    By its inode, so that a file another process gives this name is not taken for it.
    """
    cache.store(_WRITTEN, [str(path), made_from], _stamp(os.stat(temporary)))


class Pieces:
    """The pieces of an output, by their keys, if it is still the file they were noted of; else none.

    Of the file as it is when this is made, whatever takes its name meanwhile. To be used with `with`.
    """

    def __init__(self, cache: Cache, path: Path):
        self._cache, self._path = cache, path
        self._places: dict[str, tuple[int, int]] = {}
        self._file = None
        found = cache.recall(_PIECES, [str(path)])
        if found is None:
            return
        try:
            self._file = open(path, "rb")
        except OSError:
            return
        stamp, places = json.loads(found)
        if stamp == _stamp(os.fstat(self._file.fileno())).decode():
            self._places = {key: (start, length) for key, start, length in places}

    def __enter__(self) -> "Pieces":
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def get(self, key: str) -> bytes | None:
        """None where there is no such piece."""
        if key not in self._places:
            return None
        start, length = self._places[key]
        found = os.pread(self._file.fileno(), length, start)
        return found if len(found) == length else None

    def note(self, places: Sequence[tuple[str, int, int]], temporary: Path) -> None:
        """Remembers key, start and length of the pieces of what is written anew; see `note_output`."""
        noted = json.dumps([_stamp(os.stat(temporary)).decode(), places])
        self._cache.store(_PIECES, [str(self._path)], noted.encode())


def keep_pieces(cache: Cache) -> None:
    """What is known of pieces stays, though an output that is as it was asks for none."""
    cache.keep([_PIECES])


def _stamp(status: os.stat_result) -> bytes:
    # Without the time of the change: it is also that of the renaming.
    return repr((status.st_size, status.st_mtime_ns, status.st_ino)).encode()
