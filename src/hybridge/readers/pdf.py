"""PDF, page by page, by PDFium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from threading import Lock
from typing import Any

from ..splitting import Section
from .document import Document, UnreadableError, load

__all__ = ["read_pdf"]

_PDFIUM = Lock()  # it is not safe to be called from two threads
_HYPHEN = re.compile("[\ufffe\x02]\r?\n?")  # what PDFium makes of a hyphen that ends a line


def read_pdf(document: Document) -> Iterator[Section]:
    """A section for each page, with its number from 1 in ``page``."""
    pdfium = load("pypdfium2", "pypdfium2")
    with _PDFIUM:
        pages = _pages(pdfium, document.data)
    if not any(map(str.strip, pages)):
        raise UnreadableError(f"no text in it, but {len(pages)} pages: are they scanned?")
    for number, text in enumerate(pages, start=1):
        yield Section(text, metadata={"page": number})


def _pages(pdfium: Any, data: bytes) -> list[str]:
    try:
        pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        reason = "encrypted" if "password" in str(error).lower() else f"not a valid PDF ({error})"
        raise UnreadableError(reason) from error
    try:
        return [_text(pdf[number]) for number in range(len(pdf))]
    except pdfium.PdfiumError as error:
        raise UnreadableError(f"not a valid PDF ({error})") from error
    finally:
        pdf.close()


def _text(page: Any) -> str:
    text = _HYPHEN.sub("", page.get_textpage().get_text_bounded())
    return text.replace("\r\n", "\n").replace("\0", "")
