"""What is searched of a document, where it is not its ``page_content`` alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document

from hybridge import Passage
from hybridge.search_text import SearchText, chosen_search_text

from .documents import copied_metadata

__all__ = ["DocumentId", "search_text_of"]

_TEXT = "page_content"


class DocumentId(str):
    """An id of a passage that stands for a document, which it carries."""

    __slots__ = ("document",)

    document: Document


def search_text_of(search_text: Any, fields: Mapping[str, int] | None = None) -> SearchText | None:
    """Return what is searched of documents; None for what else is searched by default.

    Args:
        search_text: a template, in which ``{page_content}`` is another name for ``{text}``, a
            function from a `Document` to a string, or a `hybridge.search_text.SearchText`.
        fields: for BM25 instead: names of fields to whole-number boosts, with ``page_content`` or
            ``text`` for the text.

    Raises:
        InvalidInputError: both, or one that is not valid.

    >>> search_text_of(None, {"title": 2, "page_content": 1})
    SearchText('{title}\\n{title}\\n{text}')
    >>> titled = search_text_of(lambda document: document.metadata["title"])
    >>> titled(Passage("a", "It thins the blood.", {"title": "Aspirin"}))
    'Aspirin'
    """
    if callable(search_text) and not isinstance(search_text, SearchText):
        name = getattr(search_text, "__qualname__", type(search_text).__qualname__)
        search_text = SearchText.from_callable(_OfDocuments(search_text), name=name)
    return chosen_search_text(search_text, fields, text_name=_TEXT)


@dataclass(frozen=True)
class _OfDocuments:
    """A function of documents as one of passages."""

    function: Callable[[Document], str]

    def __call__(self, passage: Passage) -> str:
        id_ = passage.id
        if isinstance(id_, DocumentId):
            return self.function(id_.document)
        metadata = copied_metadata(passage.metadata)
        return self.function(Document(id=id_, page_content=passage.text, metadata=metadata))
