"""Data and finished parts that the page carries compressed, and opens when its reader comes to them."""

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from mos.report.cache import Cache

_LEVEL = 4  # half the time of the usual 6, a few per cent larger
_PIECE = 200_000  # characters that are compressed by themselves
DEFLATED = "deflated"  # what the cache calls compressed pieces
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # of gzip, without a time or a name


def packed(value: Any) -> str:
    """JSON of `value`, gzipped, as base64: letters that are safe inside any element of a page.

    Raises:
        ValueError: a number is nan or infinite, which JSON has no word for.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Without a time stamp, so that the same runs give the same page.
    return base64.b64encode(gzip.compress(text.encode(), _LEVEL, mtime=0)).decode()


def unpacked(text: str) -> Any:
    """What `packed` was given."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


class Parts:
    """HTML that is made with the page but enters its document later, by number."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def put(self, html: str) -> int:
        """Keeps finished HTML, escaped by the template that made it; its number for the page."""
        self._parts.append(str(html))
        return len(self._parts) - 1

    def packed(self, cache: Cache | None = None, pack: str = "") -> str:
        """All parts so far, a list that scripts open by number; as `packed` would say it.

        Compressed piece by piece, so that what an earlier summary has compressed need not be again;
        `pack`: see `Cache.remember`.
        """
        cache = cache or Cache(None)
        pieces = list(self._pieces())
        deflated = b"".join(
            base64.b64decode(
                cache.remember_text(DEFLATED, [piece], lambda: _deflated(piece), pack=pack)
            )
            for piece in pieces
        )
        check = size = 0
        for piece in pieces:
            data = piece.encode()
            check, size = zlib.crc32(data, check), size + len(data)
        # An empty last block, then check sum and length of all.
        tail = b"\x03\x00" + struct.pack("<2L", check, size & 0xFFFFFFFF)
        return base64.b64encode(_HEAD + deflated + tail).decode()

    def _pieces(self) -> Iterator[str]:
        """The JSON of all parts, cut between parts at about every _PIECE characters."""
        piece = "["
        for number, part in enumerate(self._parts):
            piece += ("," if number else "") + json.dumps(part, ensure_ascii=False)
            if len(piece) > _PIECE:
                yield piece
                piece = ""
        yield piece + "]"


def _deflated(text: str) -> str:
    """Deflate blocks that can stand between others, as base64."""
    found = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = found.compress(text.encode()) + found.flush(zlib.Z_FULL_FLUSH)
    return base64.b64encode(data).decode()
