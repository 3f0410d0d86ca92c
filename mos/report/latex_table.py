"""A table of LaTeX: its columns, the font size at which it fits, and its text by templates/table.tex.j2."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import jinja2

POINTS_PER_MM = 72.27 / 25.4

# Font size, tabcolsep in pt, width of a digit in pt, twice (Computer Modern: the small sizes are wider
# than their names say). Tried in this order.
_SIZES = (
    ("small", 6, 4.626),
    ("small", 4, 4.626),
    ("footnotesize", 4, 4.25),
    ("footnotesize", 3, 4.25),
    ("scriptsize", 3, 3.986),
)
_SHRUNK = 1.1  # times too wide: rather shrunk by a tenth than cut in two
# Widths of cmr10 in digits, bold (cmb10) is as wide in digits and a little wider in letters.
_WIDTHS = {
    letter: width
    for width, letters in (
        (0.56, "!',.:;[]`ilIfj-()"),
        (0.8, "rst"),
        (0.9, "cez>?"),
        (1.1, "kqvxySbdhnpuJ"),
        (1.4, "ZLFEPBCTR"),
        (1.55, "wAHNUVXYDGKOQ&+="),
        (1.7, "#%m"),
        (1.9, "M"),
        (2.1, "W|"),
    )
    for letter in letters
}


@dataclass(frozen=True, kw_only=True)
class Block:
    """Columns that belong together below one heading; texts are LaTeX."""

    columns: tuple[str, ...]  # their headings
    heading: str = ""  # above them
    align: str = "c"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the body: texts for the lead columns and for each column of each block."""

    lead: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    apart: bool = False  # a little space above it


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table before it is laid out. All texts are LaTeX, names in them already escaped."""

    name: str  # of its file, without .tex
    caption: str
    label: str
    lead: tuple[str, ...]  # headings of the columns that say whose row it is
    blocks: tuple[Block, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a table is set."""

    width: float = 122.0  # mm, of the text: 122 in Springer's LNCS
    environment: str = "table"  # table, table* or sidewaystable
    rows: int = 40  # in one table; more make another


def by_run(
    titles: Sequence[str],
    columns: Sequence[tuple[str, Sequence[str]]],
    *,
    name: str,
    caption: str,
    notes: Sequence[str],
) -> Table:
    """A table of one run a row (`titles`); each column is a heading and a cell for each run."""
    return Table(
        name=name,
        caption=caption,
        label="",
        lead=("Run",),
        blocks=tuple(Block(columns=(heading,)) for heading, _ in columns),
        rows=tuple(
            Row(lead=(title,), cells=tuple((cells[i],) for _, cells in columns))
            for i, title in enumerate(titles)
        ),
        notes=tuple(notes),
    )


def render(table: Table, layout: Layout) -> tuple[str, float]:
    """The text of `<name>.tex` and its width as a share of `layout.width`, estimated.

    A table too wide at the smallest font becomes several that share their lead columns, one with too
    many rows several that share their heading. A share above 1 is shrunk by TeX, which has the last word: the
    estimate is for Computer Modern in a document of 10 pt.
    """
    parts = [
        rows
        for blocks in _split_columns(table, layout)
        for rows in _split_rows(blocks, layout.rows)
    ]
    pieces, widest = [], 0.0
    for number, part in enumerate(parts, start=1):
        size, sep, share = _fitting(part, layout)
        widest = max(widest, share)
        caption, label = part.caption, part.label
        if len(parts) > 1:
            caption = f"{caption.rstrip()} Part {number} of {len(parts)}."
            label += "" if number == 1 else f"-part-{number}"
        pieces.append(
            _template().render(
                part=replace(part, caption=caption, label=label),
                head=_head(part),
                body=_body(part),
                spec=_spec(part),
                size=size,
                sep=sep,
                layout=layout,
                share=share,
                first=number == 1,
            )
        )
    return "\n".join(pieces), widest


def fits(table: Table, layout: Layout) -> bool:
    """Whether all columns go side by side, none shrunk."""
    return _fitting(table, layout)[2] <= 1


@lru_cache(maxsize=1 << 16)  # cells repeat, and every size is tried with all of them
def text_width(tex: str) -> float:
    """The width of a cell in digits, estimated for Computer Modern."""
    text = re.sub(r"\\mosunicode\{[^}]*\}\{([^}]*)\}", r"[\1]", tex)
    text = re.sub(r"\\rlap\{[^{}]*(\{[^{}]*\}[^{}]*)*\}|\\mosalike(\{\})?", "", text)
    text = re.sub(r"\$-\$|\\pm|\\textless\{\}|\\textgreater\{\}", "+", text)
    text = re.sub(r"\\phantom|\\[,;!]", "", text)
    text = re.sub(r"\\[`'^\"~=.]|\\[Hcvudr](?=\{)", "", text)  # accents
    text = re.sub(r"\\[A-Za-z]+\{\}|\\(?:up|down)arrow", "m", text)
    text = re.sub(r"\\[A-Za-z]+\s*", "", text)  # fonts
    text = text.replace("\\", "")
    return sum(_letter_width(letter) for letter in text if letter not in "{}$")


def _letter_width(letter: str) -> float:
    if letter == " ":
        return 0.7
    if unicodedata.east_asian_width(letter) in "WF":
        return 2.2
    return _WIDTHS.get(letter, 1.0)


def _column_widths(table: Table) -> tuple[list[float], list[float]]:
    """Widths in digits of the lead columns and of the columns of all blocks."""
    lead = [
        max([text_width(head), *(text_width(row.lead[i]) for row in table.rows)])
        for i, head in enumerate(table.lead)
    ]
    columns = []
    for number, block in enumerate(table.blocks):
        columns += [
            max([text_width(head), *(text_width(row.cells[number][i]) for row in table.rows)])
            for i, head in enumerate(block.columns)
        ]
    return lead, columns


def _width(
    table: Table, widths: tuple[list[float], list[float]], sep: float, digit: float
) -> float:
    """In pt."""
    lead, columns = widths
    at = 0
    total = sum(width * digit + 2 * sep for width in lead)
    for block in table.blocks:
        mine = columns[at : at + len(block.columns)]
        at += len(block.columns)
        inside = sum(width * digit + 2 * sep for width in mine)
        total += max(inside, text_width(block.heading) * digit + 2 * sep)
    return total - 2 * sep  # @{} at both ends


def _fitting(table: Table, layout: Layout) -> tuple[str, int, float]:
    """The first size that fits, else the last; its tabcolsep; the table's share of the width."""
    widths = _column_widths(table)
    for size, sep, digit in _SIZES:
        share = _width(table, widths, sep, digit) / (layout.width * POINTS_PER_MM)
        if share <= 0.98:  # the estimate may be a little low
            break
    return size, sep, share


def _split_columns(table: Table, layout: Layout) -> list[Table]:
    """As few tables as fit at the smallest size, their blocks in order and spread evenly."""
    for count in range(1, len(table.blocks) + 1):
        ends = [round(len(table.blocks) * i / count) for i in range(count + 1)]
        parts = [
            replace(
                table,
                blocks=table.blocks[a:b],
                rows=tuple(replace(row, cells=row.cells[a:b]) for row in table.rows),
            )
            for a, b in zip(ends, ends[1:])
        ]
        if all(_fitting(part, layout)[2] <= _SHRUNK for part in parts):
            return parts
    return [table] if len(table.blocks) < 2 else parts


def _split_rows(table: Table, most: int) -> list[Table]:
    count = max(1, -(-len(table.rows) // most))
    ends = [round(len(table.rows) * i / count) for i in range(count + 1)]
    return [replace(table, rows=table.rows[a:b]) for a, b in zip(ends, ends[1:])]


def _spec(table: Table) -> str:
    columns = "l" * len(table.lead)
    columns += "".join(block.align * len(block.columns) for block in table.blocks)
    return f"@{{}}{columns}@{{}}"


def _head(table: Table) -> list[str]:
    """The lines between \\toprule and \\midrule."""
    lines = []
    if any(block.heading for block in table.blocks):
        top, rules, at = [""] * len(table.lead), [], len(table.lead) + 1
        for block in table.blocks:
            span = len(block.columns)
            top.append(f"\\multicolumn{{{span}}}{{c}}{{{block.heading}}}" if block.heading else "")
            top += [""] * (0 if block.heading else span - 1)
            if block.heading:
                rules.append(f"\\cmidrule(lr){{{at}-{at + span - 1}}}")
            at += span
        lines += [_line(top), " ".join(rules)]
    columns = [head for block in table.blocks for head in block.columns]
    return [*lines, _line([*table.lead, *columns])]


def _body(table: Table) -> list[str]:
    lines = []
    for number, row in enumerate(table.rows):
        if row.apart and number:
            lines.append(r"\addlinespace")
        lines.append(_line([*row.lead, *(cell for block in row.cells for cell in block)]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells).strip() + r" \\"


@cache
def _template() -> jinja2.Template:
    """Delimiters that do not meet LaTeX's braces; nothing is escaped here, the texts are LaTeX."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("table.tex.j2")
