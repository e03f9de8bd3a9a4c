"""PDF, page by page, by PDFium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..forking import ForkSafeLock
from ..splitting import Section
from .document import Document, UnreadableError, load

__all__ = ["read_pdf"]

_PDFIUM = ForkSafeLock(awaited=True)  # it is not safe to be called from two threads
_HYPHEN = re.compile(r"[\x02\ufffe]\n?")  # PDFium's character for a hyphen that breaks a word
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")


class _Page(NamedTuple):
    """A page's text, and the titles of its entries in the outline."""

    text: str
    titles: list[str]


def read_pdf(document: Document) -> Iterator[Section]:
    """Yield a section for each page, with its number from 1 in ``page``.

    Pages are split at the headings of the document's outline, if it has one.
    """
    pdfium = load("pypdfium2", "pypdfium2")
    with _PDFIUM:
        pages = _pages(pdfium, document.data)
    if not any(page.text.strip() for page in pages):
        raise UnreadableError("no text in it: are its pages scanned?")
    title = None
    for number, (text, titles) in enumerate(pages, start=1):
        metadata = {"page": number}
        for heading in titles:
            if found := _heading(heading).search(text):
                yield Section(text[: found.start()], "text", title, metadata)
                text = text[found.end() :]
            title = heading
        yield Section(text, "text", title, metadata)


def _pages(pdfium: Any, data: bytes) -> list[_Page]:
    try:
        pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        reason = "encrypted" if "password" in str(error).lower() else f"not a valid PDF ({error})"
        raise UnreadableError(reason) from error
    try:
        pages = [_Page(_text(pdf[number]), []) for number in range(len(pdf))]
        for entry in pdf.get_toc():
            title, target = " ".join(entry.get_title().split()), entry.get_dest()
            index = None if target is None else target.get_index()
            if title and index is not None and index < len(pages):
                pages[index].titles.append(title)
    except pdfium.PdfiumError as error:
        raise UnreadableError(f"not a valid PDF ({error})") from error
    finally:
        pdf.close()
    return pages


def _text(page: Any) -> str:
    text = page.get_textpage().get_text_bounded().replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub(" ", _HYPHEN.sub("", text))


def _heading(title: str) -> re.Pattern[str]:
    """Return a pattern for a line that is a title, perhaps numbered or broken into several."""
    words = r"\s+".join(map(re.escape, title.split()))
    return re.compile(rf"^(?:[\w.]{{1,9}}[ .:]+)?{words}[ ]*(?:\n|\Z)", re.MULTILINE)
