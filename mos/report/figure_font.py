"""Which font draws which letters of a figure: the one matplotlib ships, for those it lacks an installed one."""

import sys
import unicodedata
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font

SHIPPED = "DejaVu Sans"
# Parts of file names, plain sans-serif fonts of many letters first; any other font comes after these.
_LIKELY = (
    "notosanscjk",
    "sourcehansans",
    "notosans",
    "wqy",
    "pingfang",
    "hiragino",
    "msyh",
    "simhei",
)
_told: set[str] = set()  # the packages that notes named


def font(size: float, bold: bool, families: tuple[str, ...] = (SHIPPED,)) -> FontProperties:
    """`size` in points; a letter is drawn by the first of `families` that has it.

    Bold only in the shipped font: the bold file of another family need not have what its plain one has.
    """
    weight = "bold" if bold and families == (SHIPPED,) else "normal"
    return FontProperties(family=list(families), weight=weight, size=size)


@cache
def drawable(text: str) -> tuple[str, tuple[str, ...]]:
    r"""What to draw for a text, and with which families, for `font`.

    A letter that no font has stands as its number, `\u5fc3`, so that names stay apart; a note says once what
    to install.
    """
    lacking = {letter for letter in text if letter.isprintable()} - _letters(_shipped())
    if not lacking:
        return text, (SHIPPED,)
    families = [SHIPPED]
    for path in _enough(frozenset(lacking)):
        family = _family(path)
        families.append(family)
        lacking -= _letters(font_manager.findfont(font(7, False, (family,))))
    if lacking:
        for letter in sorted(lacking):
            _tell(letter)
        text = "".join(_number(letter) if letter in lacking else letter for letter in text)
    return text, tuple(families)


def _enough(lacking: frozenset[str]) -> list[str]:
    """The files of installed fonts that together have as many of the letters as there are to have."""
    paths = sorted(installed(), key=_rank)
    whole = next((path for path in paths if lacking <= _letters(path)), None)
    if whole is not None:
        return [whole]
    found, left = [], set(lacking)
    for path in paths:
        if left & _letters(path):
            found.append(path)
            left -= _letters(path)
    return found


@cache
def installed() -> tuple[str, ...]:
    """Font files of this machine: as they are now, not as matplotlib once listed them."""
    return tuple(font_manager.findSystemFonts())


def _rank(path: str) -> tuple[int, bool, str]:
    name = Path(path).name.lower().replace("-", "").replace("_", "")
    likely = next((i for i, part in enumerate(_LIKELY) if part in name), len(_LIKELY))
    return likely, "regular" not in name, name


@cache
def _letters(path: str) -> frozenset[str]:
    """Those that a font file has; none where it cannot be read, or shows only what a letter would be."""
    if "lastresort" in Path(path).name.lower():
        return frozenset()
    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()


@cache
def _shipped() -> str:
    return font_manager.findfont(FontProperties(family=SHIPPED))


def _family(path: str) -> str:
    """The name of a font file's family, by which matplotlib then finds it."""
    if path not in {entry.fname for entry in font_manager.fontManager.ttflist}:
        font_manager.fontManager.addfont(path)
    return FT2Font(path).family_name


def _number(letter: str) -> str:
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _tell(letter: str) -> None:
    """A note on the first letter of its kind that nothing draws."""
    asian = "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "FULLWIDTH", "IDEOGRAPHIC", "BOPOMOFO"
    package = "cjk" if unicodedata.name(letter, "").startswith(asian) else "core"
    if package in _told:
        return
    _told.add(package)
    print(
        f"note: no installed font has {letter!r} and others of the names in the figures; they are drawn as "
        f"their numbers, {_number(letter)}. Install one that has them (Debian, Ubuntu: "
        f"fonts-noto-{package}; elsewhere Noto Sans), then draw again",
        file=sys.stderr,
    )
