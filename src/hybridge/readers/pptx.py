"""PowerPoint presentations, slide by slide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

from ..splitting import Section
from .archive import open_archive
from .document import Document, load

__all__ = ["read_pptx"]


def read_pptx(document: Document) -> Iterator[Section]:
    """Yield a section for each slide under its title, with its number from 1 in ``slide``.

    It holds tables and the speaker's notes, without pictures.
    """
    pptx = load("pptx", "python-pptx")
    open_archive(document.data).close()
    for number, slide in enumerate(pptx.Presentation(BytesIO(document.data)).slides, start=1):
        heading = slide.shapes.title
        title = " ".join(heading.text_frame.text.split()) if heading is not None else ""
        texts = [text for text in _texts(slide.shapes, heading) if text.strip()]
        if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame):
            texts += [f"Notes: {frame.text}"] if frame.text.strip() else []
        # A slide with a title alone has the title as its text.
        text, title = ("\n\n".join(texts), title) if texts else (title, "")
        yield Section(text, title=title or None, metadata={"slide": number})


def _texts(shapes: Iterable[Any], heading: Any) -> Iterator[str]:
    for shape in shapes:
        if heading is not None and shape.shape_id == heading.shape_id:
            continue
        if hasattr(shape, "shapes"):  # a group
            yield from _texts(shape.shapes, None)
        elif shape.has_text_frame:
            yield shape.text_frame.text.replace("\v", "\n")
        elif getattr(shape, "has_table", False):
            yield "\n".join(
                " | ".join(cell.text.strip() for cell in row.cells) for row in shape.table.rows
            )
