"""The report as its reader has it: parts that wait compressed put where they belong."""

import re
from pathlib import Path

from mos.report.packed import unpacked


def block(text: str, name: str):
    """What the page's compressed block of this id holds."""
    found = re.search(rf'<script type="text/plain" id="{name}">(.*?)</script>', text, re.S)
    assert found, f"the page has no block {name}"
    return unpacked(found[1])


def whole(path: Path) -> str:
    """The page's document with every part in its place, without its data and script."""
    text = path.read_text()
    document = text[: text.index('<script type="application/json" id="run-parts">')]
    before, *sections = re.split(r'(?=<section id="dataset-)', document)
    for number, section in enumerate(sections, start=1):
        parts = block(text, f"parts-{number}")
        before += re.sub(
            r'data-part="(\d+)"([^>]*)>', lambda part: f"{part[2]}>{parts[int(part[1])]}", section
        )
    return before
