"""Jupyter notebooks, cell by cell, without their outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..splitting import Section, last_heading
from .document import Document, UnreadableError
from .encodings import decode

__all__ = ["read_notebook"]


def read_notebook(document: Document) -> Iterator[Section]:
    """Yield a section for each cell, with its number in ``cell`` and its kind in ``cell_type``.

    Numbers begin at 1. A cell's heading is the last one in the Markdown cells above it.
    """
    text, encoding = decode(document.data)
    title = None
    for number, (kind, source) in enumerate(_cells(text), start=1):
        metadata = {**encoding, "cell": number, "cell_type": kind}
        if kind == "markdown":
            yield Section(source, "markdown", title, metadata)
            title = last_heading(source) or title
        else:
            yield Section(source, "code" if kind == "code" else "text", title, metadata)


def _cells(text: str) -> list[tuple[str, str]]:
    try:
        notebook = json.loads(text)
        # Before version 4 the cells were in worksheets, and code in "input".
        sheets = notebook.get("worksheets") or [notebook]
        return [(cell["cell_type"], _source(cell)) for sheet in sheets for cell in sheet["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableError(f"not a valid notebook ({error})") from error


def _source(cell: dict[str, Any]) -> str:
    source = cell["source"] if "source" in cell else cell["input"]
    return source if isinstance(source, str) else "".join(source)
