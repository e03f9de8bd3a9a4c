"""Plain text, Markdown and reStructuredText."""

from __future__ import annotations

from collections.abc import Iterator

from ..splitting import Markup, Section
from .document import Document
from .encodings import decode

__all__ = ["read_markdown", "read_rst", "read_text"]


def read_text(document: Document) -> Iterator[Section]:
    """Read plain text, without headings."""
    return _read(document, "text")


def read_markdown(document: Document) -> Iterator[Section]:
    """Read Markdown, split under its headings."""
    return _read(document, "markdown")


def read_rst(document: Document) -> Iterator[Section]:
    """Read reStructuredText, split under its headings."""
    return _read(document, "rst")


def _read(document: Document, markup: Markup) -> Iterator[Section]:
    text, encoding = decode(document.data)
    yield Section(text, markup, metadata=encoding)
