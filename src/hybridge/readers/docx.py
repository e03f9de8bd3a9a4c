"""Word documents, by mammoth's conversion to HTML."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from ..splitting import Section
from .archive import open_archive
from .document import Document, load
from .html import html_to_markdown

__all__ = ["read_docx"]

_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => h2:fresh
"""


def read_docx(document: Document) -> Iterator[Section]:
    """Read a document, split under its headings, with lists, tables and notes, without pictures."""
    mammoth = load("mammoth", "mammoth")
    open_archive(document.data).close()
    html = mammoth.convert_to_html(
        BytesIO(document.data), style_map=_STYLES, convert_image=lambda _: []
    ).value
    yield Section(html_to_markdown(html), "markdown")
