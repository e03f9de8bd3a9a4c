"""Plain text, Markdown and reStructuredText."""

from __future__ import annotations

from collections.abc import Iterator

from ..splitting import Section
from .document import Document
from .encodings import decode

__all__ = ["read_markdown", "read_rst", "read_text"]


def read_text(document: Document) -> Iterator[Section]:
    """Plain text, without headings."""
    text, encoding = decode(document.data)
    yield Section(text, "text", metadata=encoding)


def read_markdown(document: Document) -> Iterator[Section]:
    """Markdown, split under its headings."""
    text, encoding = decode(document.data)
    yield Section(text, "markdown", metadata=encoding)


def read_rst(document: Document) -> Iterator[Section]:
    """reStructuredText, split under its headings."""
    text, encoding = decode(document.data)
    yield Section(text, "rst", metadata=encoding)
