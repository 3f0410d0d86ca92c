"""Text and numbers as LaTeX: every character of a user's name escaped, digits that stand below each other."""

import math
import re
import unicodedata
from collections.abc import Sequence

from mos.errors import BadInput

NOTHING = "--"  # an en dash: there is no value

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",  # \\textquotedbl needs T1 fonts
    "`": r"\textasciigrave{}",
    # `\\ [` would be a row's extra height, and `\\ *` a line that must not break from the next.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
# Behind the same character, TeX would make one sign of the two: -- a dash, '' a quotation mark.
_LIGATURES = "-',!?"
_MORE = {
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "−": "$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "²": "$^2$",
    "³": "$^3$",
    "§": r"\S{}",
    "©": r"\copyright{}",
}
_GREEK = {
    chr(0x3B1 + i): f"${name}$"
    for i, name in enumerate(
        r"\alpha \beta \gamma \delta \epsilon \zeta \eta \theta \iota \kappa \lambda \mu \nu \xi o \pi \rho "
        r"\varsigma \sigma \tau \upsilon \phi \chi \psi \omega".split()
    )
}
_ACCENTS = {  # combining mark -> the accent's command, those that OT1 has
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
}


def escape(text: str) -> str:
    """A user's text as LaTeX that prints just that text, in a cell of a table as anywhere else.

    The result compiles with pdfTeX in any input encoding. Letters that plain LaTeX has no command for
    (Chinese, Cyrillic) become `\\mosunicode{letter}{code}`, which prints the letter where the engine
    knows Unicode and its code elsewhere. Line breaks and tabs become spaces, other control characters
    vanish.
    """
    found: list[str] = []
    before = ""
    for letter in unicodedata.normalize("NFC", re.sub(r"\s+", " ", str(text))):
        if letter == before and letter in _LIGATURES:
            found.append("{}")
        found.append(_letter(letter))
        before = letter
    return "".join(found)


def _letter(letter: str) -> str:
    if known := _SPECIAL.get(letter) or _MORE.get(letter) or _GREEK.get(letter):
        return known
    if letter.isascii():
        return letter if letter.isprintable() else ""
    if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Mn"):
        return ""
    base, *marks = unicodedata.normalize("NFD", letter)
    if len(marks) == 1 and base.isascii() and marks[0] in _ACCENTS:
        base = {"i": r"\i", "j": r"\j"}.get(base, base) if marks[0] not in "\u0323\u0327" else base
        return rf"\{_ACCENTS[marks[0]]}{{{base}}}"
    return rf"\mosunicode{{{letter}}}{{U+{ord(letter):04X}}}"


def check_tex(text: str, flag: str) -> str:
    """LaTeX that a user wrote for a caption or a name, in one line, checked for what would break the file.

    Raises:
        BadInput: braces or dollars without a partner, or a bare % # & _ ^, with what to write instead.
    """
    line = " ".join(text.split())
    depth, math_mode, at = 0, False, 0
    # A key or an address may hold an underscore.
    keys = {
        i
        for match in re.finditer(
            r"\\(?:\w*cite\w*|\w*ref|url|label)\*?(?:\[[^]]*\])*\{[^}]*\}", line
        )
        for i in range(*match.span())
    }
    while at < len(line):
        letter = line[at]
        if letter == "\\":
            if at + 1 == len(line):
                raise BadInput(rf"{flag}: {line!r} ends in a bare \; write \textbackslash")
            at += 2
            continue
        depth += {"{": 1, "}": -1}.get(letter, 0)
        math_mode ^= letter == "$"
        if depth < 0:
            break
        if letter in "%#&" or (letter in "_^" and not math_mode and at not in keys):
            escaped = _SPECIAL[letter].removesuffix("{}")
            raise BadInput(
                f"{flag}: {line!r} is LaTeX and has a bare {letter}; write {escaped} for the sign"
            )
        at += 1
    if depth or math_mode:
        what = "$ without its partner" if math_mode and not depth else "braces that do not pair up"
        raise BadInput(f"{flag}: {line!r} is LaTeX and has {what}")
    return line


def slug(text: str) -> str:
    """A user's name as part of a file name and of a \\label: letters, digits and hyphens; never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-") or "x"


def slugs(names: Sequence[str]) -> dict[str, str]:
    """`slug` of each name, numbered where two would be the same (also on disks that ignore case)."""
    taken: set[str] = set()
    found = {}
    for name in dict.fromkeys(names):
        wanted = candidate = slug(name)
        number = 2
        while candidate.lower() in taken:
            candidate, number = f"{wanted}-{number}", number + 1
        taken.add(candidate.lower())
        found[name] = candidate
    return found


def number(value: float, digits: int) -> str:
    """`0.876`, with a real minus sign, an infinity sign, or a dash for nan; never minus zero."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    text = f"{value:.{digits}f}"
    if text.startswith("-"):
        text = f"$-${text[1:]}" if float(text) else text[1:]
    return text


def aligned(texts: Sequence[str]) -> list[str]:
    """Numbers of `number` filled in front with unseen digits so that centred they stand digit below digit."""
    parts = [re.fullmatch(r"(\$-\$)?(\d+)(.*)", text) for text in texts]
    wide = max((len(part[2]) for part in parts if part), default=0)
    signed = any(part and part[1] for part in parts)
    found = []
    for text, part in zip(texts, parts):
        if part:
            zeros = "0" * (wide - len(part[2]))
            unseen = rf"\phantom{{{zeros}}}" if zeros else ""
            unseen += r"\phantom{$-$}" if signed and not part[1] else ""
            text = unseen + text
        found.append(text)
    return found


def p_value(p: float, alpha: float = 0.05) -> str:
    """Three decimals; `<0.001` below; a fourth where rounding would carry it over `alpha` or onto it."""
    if math.isnan(p):
        return NOTHING
    if p < 0.001:
        return "$<$0.001"
    text = f"{p:.3f}"
    digits = 3
    while (float(text) < alpha) != (p < alpha) and digits < 8:
        digits += 1
        text = f"{p:.{digits}f}"
    return text
