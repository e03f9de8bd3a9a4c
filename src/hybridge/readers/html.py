"""HTML, by conversion to Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from ..splitting import Section
from .document import Document, load
from .encodings import decode

__all__ = ["html_to_markdown", "read_html"]


def read_html(document: Document) -> Iterator[Section]:
    """Read a page, split under its headings, without scripts and styles."""
    detector = load("bs4.dammit", "beautifulsoup4", "cli").EncodingDetector
    declared = detector.find_declared_encoding(document.data, is_html=True)
    text, encoding = decode(document.data, declared=declared)
    yield Section(html_to_markdown(text), "markdown", metadata=encoding)


def html_to_markdown(html: str) -> str:
    """Return a page as Markdown; without an h1, its title is the first heading.

    Raises:
        MissingExtraError: the extra `cli` is not installed.
    """
    bs4 = load("bs4", "beautifulsoup4", "cli")
    soup = bs4.BeautifulSoup(html, "html.parser")
    converter = load("markdownify", "markdownify", "cli").MarkdownConverter(
        heading_style="ATX",
        escape_asterisks=False,
        escape_underscores=False,
        table_infer_header=True,
    )
    for tag in soup(["script", "style", "template"]):
        tag.decompose()
    for text in soup(string=lambda text: isinstance(text, bs4.element.ProcessingInstruction)):
        text.extract()  # the beginning of XHTML
    if title := soup.select_one("head > title"):
        if soup.h1 or not title.get_text(strip=True):
            title.decompose()
        else:
            title.name = "h1"
    return str(converter.convert_soup(soup))
