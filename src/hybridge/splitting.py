"""A document becomes passages: cut where it means something, each under its heading.

The cutting is `semantic-text-splitter`'s. Every passage begins with the heading it stands under,
as with a title: the middle of a section rarely repeats what it is about.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

from .arguments import check_count
from .errors import InvalidInputError, MissingExtraError
from .passages import JSON, Passage

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

__all__ = [
    "PASSAGE_SIZE",
    "Markup",
    "Size",
    "check_size",
    "headings_unmarked",
    "split_text",
]

Markup: TypeAlias = Literal["text", "markdown", "rst"]
Size: TypeAlias = int | tuple[int, int]

# The default bi-encoder reads 256 tokens: 900 characters fit that for 98 % of the passages of
# English prose (4.4 characters a token) and 86 % of those of a language reference (3.6).
PASSAGE_SIZE = 900

# Markdown's first two alternatives have no title: they only keep what looks like a heading inside
# front matter and code from being taken for one.
_HEADING: dict[Markup, re.Pattern[str]] = {
    "text": re.compile(r"(?!)(?P<title>)"),
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
}


def split_text(
    text: str, *, source: str, markup: Markup = "text", size: Size = PASSAGE_SIZE
) -> Iterator[Passage]:
    """The passages of one document.

    Each has the id ``source#position`` and the metadata ``source``, ``position`` and, under a
    heading, ``title``.

    Args:
        text: the whole document.
        source: what names the document.
        markup: where to split and what a heading is: "text", "markdown" or "rst".
        size: a passage's greatest length in characters, without a heading put in front; or
            (enough, greatest).

    Raises:
        InvalidInputError: the markup or the size is not one of those.
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
    return _split(text, source, markup, size)


def check_size(size: Size) -> None:
    """Raises an `InvalidInputError` if that is no size of a passage.

    >>> check_size((500, 1000))
    """
    bounds = size if isinstance(size, tuple) else (1, size)
    if len(bounds) != 2:
        raise InvalidInputError(f"size must be one number or (enough, greatest), not {size!r}")
    enough, greatest = (check_count(bound, "size") for bound in bounds)
    if enough > greatest:
        raise InvalidInputError(f"size {size!r}: the first number must not be above the second")


def headings_unmarked(text: str) -> str:
    """A reStructuredText document without the lines under its headings.

    >>> headings_unmarked("Calls\\n*****\\nA call calls.")
    'Calls\\nA call calls.'
    """
    return _HEADING["rst"].sub(lambda match: match["title"], text)


def _split(text: str, source: str, markup: Markup, size: Size) -> Iterator[Passage]:
    heading = _HEADING[markup]
    headings = [
        (match.start(), title) for match in heading.finditer(text) if (title := _title(match))
    ]
    position = 0
    for start, chunk in _splitter(markup, size).chunk_indices(text):
        if not heading.sub(lambda match: "" if _title(match) else match[0], chunk).strip():
            continue  # headings alone: the next passage carries the last of them
        metadata: dict[str, JSON] = {"source": source, "position": position}
        above = bisect_right(headings, start, key=lambda entry: entry[0]) - 1
        if above >= 0:
            offset, title = headings[above]
            metadata["title"] = title
            if offset == start:
                chunk = heading.sub("", chunk, count=1).lstrip("\n")
            chunk = f"{title}\n\n{chunk}"
        yield Passage(f"{source}#{position}", chunk, metadata)
        position += 1


def _title(match: re.Match[str]) -> str | None:
    return match["title"] or match.groupdict().get("underlined")


def _splitter(markup: Markup, size: Size) -> MarkdownSplitter | TextSplitter:
    try:
        from semantic_text_splitter import MarkdownSplitter, TextSplitter
    except ImportError as error:
        raise MissingExtraError("semantic-text-splitter", "cli") from error
    return MarkdownSplitter(size) if markup == "markdown" else TextSplitter(size)
