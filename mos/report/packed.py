"""Data and finished parts that the page carries compressed, and opens when its reader comes to them."""

import base64
import gzip
import json
from typing import Any

_LEVEL = 4  # half the time of the usual 6, a few per cent larger


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

    def packed(self) -> str:
        """All parts so far, a list that scripts open by number."""
        return packed(self._parts)
