"""Splitting a document into passages at its natural boundaries, each with its heading.

`semantic-text-splitter` splits. Every passage begins with its heading, as with a title: the middle
of a section rarely repeats its subject.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from .arguments import check_count
from .errors import InvalidInputError, needs_extra
from .passages import JSON, Passage

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

__all__ = [
    "PASSAGE_SIZE",
    "Markup",
    "Section",
    "Size",
    "check_size",
    "headings_unmarked",
    "last_heading",
    "split_sections",
    "split_text",
]

Markup: TypeAlias = Literal["text", "markdown", "rst", "code"]
Size: TypeAlias = int | tuple[int, int]

# The default bi-encoder reads 256 tokens: 900 characters fit that for 98 % of the passages of
# English prose (4.4 characters a token) and 86 % of those of a language reference (3.6).
PASSAGE_SIZE = 900

_NO_HEADING = re.compile(r"(?!)(?P<title>)")
# Markdown's first two alternatives have no title: they skip what looks like a heading inside front
# matter and code.
_HEADING: dict[Markup, re.Pattern[str]] = {
    "text": _NO_HEADING,
    "markdown": re.compile(
        r"""\A---\n .*? ^---$
        | ^[ ]{0,3}(?P<fence>```+|~~~+) .*? (?:^[ ]{0,3}(?P=fence)|\Z)
        | ^[ ]{0,3}\#{1,6}[ \t]+(?P<title>[^\n]+?)[ \t]*\#*[ \t]*$
        | ^(?P<underlined>[^\s|>\-][^\n]*)\n(?:=+|-{2,})[ \t]*$""",
        re.MULTILINE | re.DOTALL | re.VERBOSE,
    ),
    "rst": re.compile(
        r"""^(?:(?P<over>[=\-~^"'`*+#:.])(?P=over){2,}[ \t]*\n[ ]*)?
        (?P<title>\S.*)\n(?P<under>[=\-~^"'`*+#:.])(?P=under){2,}[ \t]*$""",
        re.MULTILINE | re.VERBOSE,
    ),
    "code": _NO_HEADING,
}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document that no passage crosses: a page, a slide, a row, a function.

    Attributes:
        text: the section's text.
        markup: the format, which decides the boundaries and the headings.
        title: the heading above it, unless its own text begins with one.
        metadata: that of all its passages: ``{"page": 3}``.
        first_line: the number of its first line in the file, counted from 1; its passages then
            have ``line`` and ``last_line`` in their metadata.
    """

    text: str
    markup: Markup = "text"
    title: str | None = None
    metadata: Mapping[str, JSON] = field(default_factory=dict)
    first_line: int | None = None


def split_text(
    text: str, *, source: str, markup: Markup = "text", size: Size = PASSAGE_SIZE
) -> Iterator[Passage]:
    """Split one document into passages.

    Each has the id ``source#position`` and the metadata ``source``, ``position`` and, under a
    heading, ``title``.

    Args:
        text: the whole document.
        source: the document's name.
        markup: the format, which decides the boundaries and the headings: "text", "markdown",
            "rst", or "code", whose indentation stays.
        size: a passage's maximum length in characters, without the heading put in front; or
            (sufficient, maximum).

    Raises:
        InvalidInputError: the markup or the size is not valid.
        MissingExtraError: the extra `cli` is not installed.

    >>> document = "# Fruit\\n\\nApples.\\n\\nPears."
    >>> for passage in split_text(document, source="food", markup="markdown", size=17):
    ...     print(passage.id, repr(passage.text))
    food#0 'Fruit\\n\\nApples.'
    food#1 'Fruit\\n\\nPears.'
    """
    check_size(size)
    if markup not in _HEADING:
        raise InvalidInputError(f"markup must be one of {', '.join(_HEADING)}, not {markup!r}")
    return split_sections([Section(text, markup)], source=source, size=size)


def split_sections(
    sections: Iterable[Section], *, source: str, size: Size = PASSAGE_SIZE
) -> Iterator[Passage]:
    """Split the sections of one document into passages, with positions over all of them.

    Args:
        sections: the document's parts, in its order.
        source: the document's name.
        size: a passage's maximum length in characters, as in `split_text`.

    Raises:
        InvalidInputError: the size is not valid.
        MissingExtraError: the extra `cli` is not installed.

    >>> pages = [Section("Apples.", metadata={"page": 1}), Section("Pears.", metadata={"page": 2})]
    >>> for passage in split_sections(pages, source="food.pdf"):
    ...     print(passage.id, passage.text, passage.metadata["page"])
    food.pdf#0 Apples. 1
    food.pdf#1 Pears. 2
    """
    check_size(size)
    return _number(sections, source, size)


def check_size(size: Size) -> None:
    """Raise an `InvalidInputError` for an invalid size of a passage.

    >>> check_size((500, 1000))
    """
    bounds = size if isinstance(size, tuple) else (1, size)
    if len(bounds) != 2:
        raise InvalidInputError(f"size must be one number or (sufficient, maximum), not {size!r}")
    sufficient, maximum = (check_count(bound, "size") for bound in bounds)
    if sufficient > maximum:
        raise InvalidInputError(f"size {size!r}: the first number must not be above the second")


def headings_unmarked(text: str) -> str:
    """Return a reStructuredText document without the lines under its headings.

    >>> headings_unmarked("Calls\\n*****\\nA call calls.")
    'Calls\\nA call calls.'
    """
    return _HEADING["rst"].sub(lambda match: match["title"], text)


def last_heading(markdown: str) -> str | None:
    """Return the last heading of a Markdown text; None without headings.

    >>> last_heading("# Fruit\\n\\nApples.\\n\\n## Pears\\n\\nPears.")
    'Pears'
    """
    return next(reversed([title for _, title in _headings("markdown", markdown)]), None)


def _headings(markup: Markup, text: str) -> list[tuple[int, str]]:
    """Return where each heading begins, and its title."""
    matches = _HEADING[markup].finditer(text)
    return [(match.start(), title) for match in matches if (title := _title(match))]


def _number(sections: Iterable[Section], source: str, size: Size) -> Iterator[Passage]:
    position = 0
    for section in sections:
        for text, metadata in _split(section, size):
            placed = {"source": source, "position": position}
            yield Passage(f"{source}#{position}", text, placed | metadata)
            position += 1


def _split(section: Section, size: Size) -> Iterator[tuple[str, dict[str, JSON]]]:
    text, heading = section.text, _HEADING[section.markup]
    headings = _headings(section.markup, text)
    for start, chunk in _splitter(section.markup, size).chunk_indices(text):
        if not heading.sub(lambda match: "" if _title(match) else match[0], chunk).strip():
            continue  # headings alone: the next passage begins with the last of them
        title = section.title
        above = bisect_right(headings, start, key=lambda entry: entry[0]) - 1
        if above >= 0:
            offset, title = headings[above]
            if offset == start:
                chunk = heading.sub("", chunk, count=1).lstrip("\n")
        metadata: dict[str, JSON] = {"title": title} if title else {}
        metadata |= section.metadata
        if section.markup == "code":
            start += len(chunk) - len(chunk.lstrip("\n"))
            chunk = chunk.lstrip("\n").rstrip()
        if section.first_line is not None:
            line = section.first_line + text.count("\n", 0, start)
            metadata |= {"line": line, "last_line": line + chunk.count("\n")}
        yield f"{title}\n\n{chunk}" if title else chunk, metadata


def _title(match: re.Match[str]) -> str | None:
    return match["title"] or match.groupdict().get("underlined")


def _splitter(markup: Markup, size: Size) -> MarkdownSplitter | TextSplitter:
    with needs_extra("cli"):
        from semantic_text_splitter import MarkdownSplitter, TextSplitter
    if markup == "markdown":
        return MarkdownSplitter(size)
    return TextSplitter(size, trim=markup != "code")
