"""Reports: sections of lines and tables, shown as plain text, by rich and as HTML.

A class that builds a `Section` of itself and inherits from `Renderable` prints, and displays itself
in a terminal of rich and in a notebook.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .errors import needs_extra

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table as RichTable
    from rich.text import Text

__all__ = [
    "STYLE",
    "Block",
    "Heat",
    "Line",
    "Renderable",
    "Section",
    "Style",
    "Styled",
    "Table",
    "highlighted",
    "number",
    "one_line",
    "plain",
    "to_fragment",
    "to_html",
    "to_page",
    "to_rich",
    "to_text",
]

Style: TypeAlias = Literal["", "strong", "dim", "match", "good", "warn", "bad", "hint"]


class Renderable:
    """A mixin that renders the section that `_report` builds."""

    __slots__ = ()

    def _report(self) -> Section:
        """Build the section to render."""
        raise NotImplementedError

    def __str__(self) -> str:
        return to_text(self._report())

    def __rich__(self) -> RenderableType:
        return to_rich(self._report())

    def _repr_html_(self) -> str:
        return to_html(self._report())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


@dataclass(frozen=True, slots=True)
class Styled:
    """A piece of a line in one style.

    Args:
        text: the piece.
        style: its style; plain text ignores it.
    """

    text: str
    style: Style = ""


Line: TypeAlias = str | Styled | tuple[str | Styled, ...]
"""A line of text: a string, or pieces of which some have a style."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under headings; columns of numbers are aligned to the right.

    Args:
        columns: one heading a column; none for a table without headings.
        rows: as many cells each.
        bars: draw the last column's numbers as bars too, in HTML.
        wide: the column, by position, that alone is narrowed where a terminal is; None for all.

    >>> print(Section(body=[Table(["stage", "score"], [["bm25", "2.5"], ["dense", "0.75"]])]))
    stage  score
    bm25     2.5
    dense   0.75
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Line]]
    bars: bool = False
    wide: int | None = None


@dataclass(frozen=True, slots=True)
class Heat:
    """A matrix of colours in HTML, the maximum of each row framed.

    Args:
        rows: one name a row.
        columns: one name a column.
        values: shape (rows, columns).
        instead: the table that stands for it elsewhere, and for a matrix of more than 4,000 values.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]]
    instead: Table


@dataclass(frozen=True, slots=True)
class Section(Renderable):
    """A title and the blocks below it.

    Args:
        title: one line; empty for none.
        body: lines, tables, heat maps and further sections.
        brief: shorten long lines, cells and tables in text, and lines and cells in rich.
        html_only: leave it out elsewhere; with a title, HTML folds it.

    >>> print(Section("BM25", ["2 terms", Table(["term", "part"], [["cat", "0.5"]])]))
    BM25
      2 terms
      term  part
      cat    0.5
    """

    title: Line = ""
    body: Sequence[Block] = ()
    brief: bool = False
    html_only: bool = False

    def _report(self) -> Section:
        return self


Block: TypeAlias = Line | Table | Heat | Section


def number(value: float | None, digits: int = 3) -> str:
    """Format a number with so many digits behind the point, and None as a dash.

    >>> number(1.23456), number(None)
    ('1.235', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}"


def one_line(text: str, length: int | None = None) -> str:
    r"""Cut a text to one line, at a word where it can be, without a terminal's control characters.

    >>> one_line("two\nlines, of text", 12), one_line("antidisestablishment", 12)
    ('two lines …', 'antidisesta…')
    """
    line = " ".join(_printable(text).split())
    if length is None or len(line) <= length:
        return line
    words, _, rest = line[: length - 1].rpartition(" ")
    return f"{words.rstrip(',;:. ')} …" if words and len(rest) < length / 2 else f"{rest[:length]}…"


def plain(line: Line) -> str:
    """Return a line without its styles.

    >>> plain((Styled("p1", "strong"), ": found"))
    'p1: found'
    """
    return "".join(piece.text for piece in _pieces(line))


def highlighted(text: str, spans: Sequence[tuple[int, int]]) -> Line:
    """Highlight parts of a text.

    Args:
        text: any.
        spans: where each part begins and ends, in order.

    >>> to_html(Section(body=[highlighted("a <b> c", [(3, 4)])])).rpartition("</style>")[2]
    '<p>a &lt;<mark>b</mark>&gt; c</p></div>'
    """
    pieces: list[str | Styled] = []
    end_before = 0
    for start, end in spans:
        pieces += [text[end_before:start], Styled(text[start:end], "match")]
        end_before = end
    return (*pieces, text[end_before:])


def _pieces(line: Line) -> list[Styled]:
    pieces = line if isinstance(line, tuple) else (line,)
    return [piece if isinstance(piece, Styled) else Styled(piece) for piece in pieces]


def _printable(text: str, also: str = "") -> str:
    """Replace what a terminal would obey by blanks."""
    return "".join(c if c.isprintable() or c in also else " " for c in text)


def _is_numeric(cells: Sequence[Line]) -> bool:
    return all(not plain(cell).strip("–-0123456789.,") for cell in cells)


def _numeric_columns(table: Table) -> list[bool]:
    """Return which columns hold numbers alone."""
    if not table.rows:
        return [False] * len(table.columns)
    return [_is_numeric(cells) for cells in zip(*table.rows, strict=True)]


# ---- plain text

_TEXT_ROWS, _TEXT_CELL, _TEXT_LINE = 8, 28, 118


def to_text(section: Section) -> str:
    """Render a section as lines of text, with tables in aligned columns."""
    return "\n".join(_text_lines(section, section.brief))


def _text_lines(section: Section, brief: bool) -> Iterator[str]:
    if section.html_only:
        return
    if section.title:
        yield one_line(plain(section.title), _TEXT_LINE if brief else None)
    indent = "  " if section.title else ""
    for block in section.body:
        match block:
            case Section():
                lines = _text_lines(block, brief or block.brief)
            case Table():
                lines = _text_table(block, brief)
            case Heat():
                lines = _text_table(block.instead, brief)
            case _:
                lines = iter([one_line(plain(block), _TEXT_LINE if brief else None)])
        for line in lines:
            yield (indent + line).rstrip()


def _text_table(table: Table, brief: bool) -> Iterator[str]:
    length = _TEXT_CELL if brief else None
    rows = [[one_line(plain(cell), length) for cell in row] for row in table.rows]
    shown = rows[:_TEXT_ROWS] if brief else rows
    heading = [one_line(column, length) for column in table.columns]
    lines = [heading, *shown] if heading else shown
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, _numeric_columns(table), strict=True)
        )
    if len(shown) < len(rows):
        yield f"… and {len(rows) - len(shown)} more"


# ---- rich

_RICH_CELL, _RICH_LINE = 60, 400
_RICH_STYLES = {
    "": "",
    "strong": "bold",
    "dim": "dim",
    "match": "bold",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
    "hint": "cyan",
}


def to_rich(section: Section) -> RenderableType:
    """Render a section for `rich`.

    Raises:
        MissingExtraError: rich is not installed.
    """
    with needs_extra("cli"):
        from rich.console import Group
    return Group(*_rich_blocks(section, section.brief))


def _rich_blocks(section: Section, brief: bool) -> Iterator[RenderableType]:
    from rich.padding import Padding

    if section.html_only:
        return
    if section.title:
        yield _rich_line(section.title, _RICH_LINE if brief else None, "bold")
    for block in section.body:
        shown: Iterator[RenderableType]
        match block:
            case Section():
                shown = _rich_blocks(block, brief or block.brief)
            case Table():
                shown = iter([_rich_table(block, brief)])
            case Heat():
                shown = iter([_rich_table(block.instead, brief)])
            case _:
                shown = iter([_rich_line(block, _RICH_LINE if brief else None)])
        for each in shown:
            yield Padding(each, (0, 0, 0, 2), expand=False) if section.title else each


def _rich_line(line: Line, length: int | None, style: str = "") -> Text:
    """Make a `Text` of a line, so that none of it is taken for markup."""
    from rich.text import Text

    text = Text(style=style)
    for piece in _pieces(line):
        shown = _printable(piece.text, "\n" if length is None else "")
        text.append(shown, _RICH_STYLES[piece.style])
    if length is not None:
        text.truncate(length, overflow="ellipsis")
    return text


def _rich_table(table: Table, brief: bool) -> RichTable:
    from rich.table import Table as RichTable

    made = RichTable(
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        show_header=bool(table.columns),
        header_style="dim",
    )
    length = _RICH_CELL if brief else None
    numeric = _numeric_columns(table)
    wide = None if table.wide is None else range(len(numeric))[table.wide]
    for position, is_right in enumerate(numeric):
        made.add_column(
            _rich_line(table.columns[position], length) if table.columns else "",
            justify="right" if is_right else "left",
            overflow="fold",
            no_wrap=wide not in (None, position),
        )
    for row in table.rows:
        made.add_row(*(_rich_line(cell, length) for cell in row))
    return made


# ---- HTML

# Colours come from the surroundings, so that the same rules serve light and dark.
STYLE = """
.hybridge{font:14px/1.45 system-ui,sans-serif;max-width:60em}
.hybridge table{border-collapse:collapse;margin:.2em 0 .6em;font-size:13px}
.hybridge th,.hybridge td{padding:.1em .6em;text-align:left;vertical-align:top;border:0;
color:inherit;font-weight:normal;white-space:pre-wrap}
.hybridge th,.hybridge td:not([bgcolor]){background:none}
.hybridge thead th{opacity:.75}
.hybridge .n{text-align:right;font-variant-numeric:tabular-nums}
.hybridge h4{margin:.8em 0 .1em;font-size:14px}
.hybridge p{margin:.2em 0;white-space:pre-wrap}
.hybridge .dim,.hybridge .hint{opacity:.75}.hybridge .bad{font-weight:bold}
.hybridge mark{background:#e69f0066;color:inherit;border-radius:2px}
.hybridge .bar{background:#0072b2;min-width:1px}
.hybridge .heat{display:block;overflow:auto;max-height:30em}
.hybridge .heat td{padding:.1em .3em;font-size:11px;text-align:right}
.hybridge .heat [bgcolor]{color:#000}.hybridge .heat .dark{color:#fff}
.hybridge .heat td.best{outline:2px solid currentColor;outline-offset:-2px;font-weight:bold}
.hybridge .heat th{font-size:11px;white-space:nowrap}
""".replace("\n", "")
"""The style sheet of the HTML of sections."""

_HTML_TAGS = {"strong": ("<b>", "</b>"), "match": ("<mark>", "</mark>"), "": ("", "")}

# A larger matrix is shown by the table that stands for it.
_HEAT_CELLS = 4_000
# Points of the colour map cividis, which those who see few colours can read as well:
# J. R. Nuñez, C. R. Anderton and R. S. Renslow, PLoS ONE 13(7), 2018.
_CIVIDIS = [(0, 34, 78), (64, 77, 107), (125, 124, 120), (190, 175, 110), (254, 232, 56)]


def to_html(section: Section) -> str:
    """Render a section as a fragment of HTML with its own style, all text escaped."""
    return f'<div class="hybridge"><style>{STYLE}</style>{_html_section(section)}</div>'


def to_fragment(section: Section) -> str:
    """Render a section as a fragment of HTML for a page that has `STYLE`, all text escaped.

    It has no inline style, not even in attributes, which a page's policy may refuse.

    >>> to_fragment(Section("a < b", ["c"]))
    '<div class="hybridge"><h4>a &lt; b</h4><p>c</p></div>'
    """
    return f'<div class="hybridge">{_html_section(section)}</div>'


def to_page(section: Section, title: str) -> str:
    """Render a section as a whole page of HTML.

    Args:
        section: the page's content.
        title: the page's title, not escaped yet.
    """
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title>"
        "<style>:root{color-scheme:light dark}</style></head>"
        f"<body>{to_html(section)}</body></html>\n"
    )


def _html_section(section: Section) -> str:
    title, body = _html_line(section.title), "".join(map(_html_block, section.body))
    if section.html_only and title:
        return f"<details><summary>{title}</summary>{body}</details>"
    return f"<h4>{title}</h4>{body}" if title else body


def _html_block(block: Block) -> str:
    match block:
        case Section():
            return _html_section(block)
        case Table():
            return _html_table(block)
        case Heat():
            return _html_heat(block)
        case _:
            return f"<p>{_html_line(block)}</p>" if block else ""


def _html_line(line: Line) -> str:
    shown = ""
    for piece in _pieces(line):
        before, after = _HTML_TAGS.get(piece.style) or (f'<span class="{piece.style}">', "</span>")
        shown += before + escape(piece.text) + after if piece.text else ""
    return shown


def _html_table(table: Table) -> str:
    numeric = [' class="n"' if is_right else "" for is_right in _numeric_columns(table)]
    most = max((_bar(row) for row in table.rows), default=0.0) if table.bars else 0.0
    head = "".join(
        f'<th scope="col"{attribute}>{escape(column)}</th>'
        for column, attribute in zip(table.columns, numeric, strict=bool(table.columns))
    )
    body = ""
    for first, *rest in table.rows:
        body += f'<tr><th scope="row"{numeric[0]}>{_html_line(first)}</th>'
        body += "".join(
            f"<td{attribute}>{_html_line(cell)}</td>"
            for cell, attribute in zip(rest, numeric[1:], strict=True)
        )
        if most:
            width = 10 * _bar([first, *rest]) / most
            body += f'<td><svg class="bar" width="{width:.2f}em" height=".7em"></svg></td>'
        body += "</tr>"
    head = f"<thead><tr>{head}{'<td></td>' if most else ''}</tr></thead>" if head else ""
    return f"<table>{head}<tbody>{body}</tbody></table>"


def _bar(row: Sequence[Line]) -> float:
    """Return the length of a row's bar: its last number, if that is positive."""
    return max(float(plain(row[-1])), 0.0)


def _html_heat(heat: Heat) -> str:
    values = [value for row in heat.values for value in row]
    if not 0 < len(values) <= _HEAT_CELLS:
        return _html_table(heat.instead)
    low, span = min(values), max(values) - min(values)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heat.columns)
    body = ""
    for name, row in zip(heat.rows, heat.values, strict=True):
        best = max(range(len(row)), key=row.__getitem__)
        cells = "".join(
            _heat_cell(value, (value - low) / span if span else 0.0, position == best)
            for position, value in enumerate(row)
        )
        body += f'<tr><th scope="row">{escape(name)}</th>{cells}<td>{row[best]:.2f}</td></tr>'
    return (
        f'<table class="heat"><thead><tr><td></td>{head}<th scope="col">best</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _heat_cell(value: float, share: float, is_best: bool) -> str:
    red, green, blue = _colour(share)
    # Black on the lighter half and white on the darker: 4.5 to 1 at least, as WCAG 2 asks.
    ink = "light" if _luminance(red, green, blue) > 0.179 else "dark"
    kind = f"best {ink}" if is_best else ink
    return f'<td class="{kind}" bgcolor="#{red:02x}{green:02x}{blue:02x}">{value:.2f}</td>'


def _colour(share: float) -> tuple[int, int, int]:
    """Return the colour at a share, from 0 to 1, of the colour map."""
    position = share * (len(_CIVIDIS) - 1)
    lower = min(int(position), len(_CIVIDIS) - 2)
    red, green, blue = (
        round(low + (high - low) * (position - lower))
        for low, high in zip(_CIVIDIS[lower], _CIVIDIS[lower + 1], strict=True)
    )
    return red, green, blue


def _luminance(*channels: int) -> float:
    """Return WCAG 2's relative luminance of a colour."""
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in channels)
    ]
    return sum(
        weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
