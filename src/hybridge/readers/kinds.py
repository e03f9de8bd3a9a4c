"""The readers by file suffix: a new kind is a module beside this one, and a line here."""

from __future__ import annotations

from .code import SUFFIXES, read_code
from .document import Reader
from .docx import read_docx
from .epub import read_epub
from .html import read_html
from .notebook import read_notebook
from .pdf import read_pdf
from .pptx import read_pptx
from .tables import read_csv, read_xlsx
from .text import read_markdown, read_rst, read_text

__all__ = ["READERS"]

_KINDS: tuple[tuple[tuple[str, ...], Reader], ...] = (
    ((".txt", ".text"), read_text),
    ((".md", ".markdown"), read_markdown),
    ((".rst", ".rest"), read_rst),
    ((".html", ".htm", ".xhtml"), read_html),
    ((".pdf",), read_pdf),
    ((".docx", ".docm"), read_docx),
    ((".pptx", ".pptm"), read_pptx),
    ((".xlsx", ".xlsm"), read_xlsx),
    ((".csv", ".tsv"), read_csv),
    ((".epub",), read_epub),
    ((".ipynb",), read_notebook),
    (SUFFIXES, read_code),
)

READERS: dict[str, Reader] = {suffix: read for suffixes, read in _KINDS for suffix in suffixes}
