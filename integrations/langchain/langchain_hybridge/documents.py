"""LangChain's documents as passages, and their metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.documents import Document
from langchain_core.utils.uuid import uuid7

from hybridge import Hit, Passage
from hybridge.errors import InvalidInputError
from hybridge.interop import as_id, trace_to_dict
from hybridge.passages import unique_passages

__all__ = [
    "SCORE",
    "TRACE",
    "check_documents",
    "copied",
    "copied_metadata",
    "documents_of_texts",
    "passages_of",
    "reranked_document",
]

SCORE = "relevance_score"
"""The metadata key of a document's score, the one of most of LangChain's rerankers."""

TRACE = "hybridge"
"""The metadata key of each stage's rank and score."""


def check_documents(documents: Iterable[Document]) -> list[Document]:
    """Return the documents as a list.

    Raises:
        InvalidInputError: something else is among them.

    >>> check_documents((Document("text"),))
    [Document(metadata={}, page_content='text')]
    """
    if not isinstance(documents, Iterable) or isinstance(documents, Document):
        raise InvalidInputError(
            f"documents must be a list of Document, not one {type(documents).__name__}"
        )
    listed = list(documents)
    for document in listed:
        if not isinstance(document, Document):
            raise InvalidInputError(
                f"documents must be a list of Document, not of {type(document).__name__}"
            )
    return listed


def passages_of(
    documents: Iterable[Document], ids: Iterable[str | None] | None = None
) -> list[Passage]:
    """Return documents as passages.

    Args:
        documents: their metadata must be what `hybridge.metadata` makes JSON of.
        ids: one a document instead of the documents' own. A document without any gets one that
            sorts after those before it, so that ties keep the order of the documents.

    Raises:
        InvalidInputError: something that is no document, metadata that JSON cannot hold, an id
            that is no string with text in it or comes twice, or not one id a document.

    >>> passages_of([Document("text", metadata={"year": 2020}, id="a")])
    [Passage(id='a', text='text', metadata={'year': 2020})]
    """
    listed = check_documents(documents)
    if isinstance(ids, str):
        raise InvalidInputError(f"ids must be a list of strings, not one string: [{ids!r}]")
    id_list = [None] * len(listed) if ids is None else list(ids)
    if len(id_list) != len(listed):
        raise InvalidInputError(f"{len(id_list)} ids for {len(listed)} documents: give one each")
    passages = []
    for document, id_ in zip(listed, id_list, strict=True):
        own = document.id if id_ is None else id_
        passages.append(
            Passage(str(uuid7()) if own is None else own, document.page_content, document.metadata)
        )
    return list(unique_passages(passages))


def documents_of_texts(
    texts: Iterable[str],
    metadatas: Iterable[Mapping[str, Any]] | None = None,
    ids: Iterable[str | None] | None = None,
) -> list[Document]:
    """Return texts with their metadata and ids as documents.

    Raises:
        InvalidInputError: a text that is none, or not one of each a text.

    >>> documents_of_texts(["text"], [{"year": 2020}], ["a"])
    [Document(id='a', metadata={'year': 2020}, page_content='text')]
    """
    listed = list(texts)
    if isinstance(texts, str) or not all(isinstance(text, str) for text in listed):
        raise InvalidInputError("texts must be a list of strings")
    sides = []
    for name, values in (("metadatas", metadatas), ("ids", ids)):
        if isinstance(values, str):
            raise InvalidInputError(f"{name} must be a list, not one string: [{values!r}]")
        side: list[Any] = [None] * len(listed) if values is None else list(values)
        if len(side) != len(listed):
            raise InvalidInputError(f"{len(side)} {name} for {len(listed)} texts: give one each")
        sides.append(side)
    return [
        Document(
            id=None if id_ is None else as_id(id_),
            page_content=text,
            metadata=dict(metadata or {}),
        )
        for text, metadata, id_ in zip(listed, *sides, strict=True)
    ]


def reranked_document(document: Document, hit: Hit, *, scores: bool, trace: bool) -> Document:
    """Return a copy of a document with a reranker's score; earlier stages' entries stay."""
    metadata = copied_metadata(document.metadata)
    if scores:
        metadata[SCORE] = hit.score
    if trace:
        earlier = metadata.get(TRACE)
        previous = earlier if isinstance(earlier, dict) else {}
        metadata[TRACE] = {**previous, **trace_to_dict(hit.trace)}
    return document.model_copy(update={"metadata": metadata})


def copied_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of metadata whose dicts and lists are copies too; other values are shared.

    >>> metadata = {"authors": ["Ada"]}
    >>> copied_metadata(metadata)["authors"].append("Grace")
    >>> metadata
    {'authors': ['Ada']}
    """
    return {key: copied(value) for key, value in metadata.items()}


def copied(value: Any) -> Any:
    """Return a copy of a dict or list, with copies of those in it; other values as they are."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value
