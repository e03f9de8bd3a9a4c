"""LangChain's documents as passages, and hits as documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.documents import Document
from langchain_core.utils.uuid import uuid7

from hybridge import Hit, Passage, StageScore
from hybridge.arguments import as_id
from hybridge.errors import InvalidInputError
from hybridge.passages import unique_passages

__all__ = [
    "SCORE",
    "TRACE",
    "checked",
    "copied",
    "document_of",
    "documents_of",
    "passages_of",
    "scored",
]

SCORE = "relevance_score"
"""The metadata key of a document's score, as most of LangChain's rerankers call it."""

TRACE = "hybridge"
"""The metadata key of what every stage thought of a document."""


def checked(documents: Iterable[Document]) -> list[Document]:
    """The documents as a list.

    Raises:
        InvalidInputError: something else is among them.

    >>> checked((Document("text"),))
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
    """Documents as passages.

    Args:
        documents: their metadata must be what `hybridge.metadata` makes JSON of.
        ids: one a document instead of the documents' own. A document without any gets one that
            sorts behind those given before, so that ties keep the order of the documents.

    Raises:
        InvalidInputError: something that is no document, metadata that JSON cannot hold, an id
            that is no string with text in it or comes twice, or not one id a document.

    >>> passages_of([Document("text", metadata={"year": 2020}, id="a")])
    [Passage(id='a', text='text', metadata={'year': 2020})]
    """
    listed = checked(documents)
    if isinstance(ids, str):
        raise InvalidInputError(f"ids must be a list of strings, not one string: [{ids!r}]")
    named = [None] * len(listed) if ids is None else list(ids)
    if len(named) != len(listed):
        raise InvalidInputError(f"{len(named)} ids for {len(listed)} documents: give one each")
    passages = []
    for document, id_ in zip(listed, named, strict=True):
        given = document.id if id_ is None else id_
        own = str(uuid7()) if given is None else given
        passages.append(Passage(own, document.page_content, document.metadata))
    return list(unique_passages(passages))


def documents_of(
    texts: Iterable[str],
    metadatas: Iterable[Mapping[str, Any]] | None = None,
    ids: Iterable[str | None] | None = None,
) -> list[Document]:
    """Texts with their metadata and ids as documents.

    Raises:
        InvalidInputError: a text that is none, or not one of each a text.

    >>> documents_of(["text"], [{"year": 2020}], ["a"])
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


def document_of(hit: Hit, *, scores: bool = False, trace: bool = False) -> Document:
    """A hit as a document of its own, which may be changed without harm.

    Args:
        hit: what was found.
        scores: put its score into the metadata, as ``relevance_score``.
        trace: put what every stage thought into the metadata, under ``hybridge``.

    >>> hit = Hit(Passage("a", "text"), 0.5, (StageScore("bm25", 1, 0.5),))
    >>> document_of(hit, scores=True).metadata
    {'relevance_score': 0.5}
    >>> document_of(hit, trace=True).metadata
    {'hybridge': {'bm25': {'rank': 1, 'score': 0.5}}}
    """
    passage = hit.passage
    metadata = copied(passage.metadata)
    if scores:
        metadata[SCORE] = hit.score
    if trace:
        metadata[TRACE] = _as_json(hit.trace)
    return Document(id=passage.id, page_content=passage.text, metadata=metadata)


def scored(document: Document, hit: Hit, *, scores: bool, trace: bool) -> Document:
    """A copy of a document with what a reranker thought of it; earlier stages' words stay."""
    metadata = copied(document.metadata)
    if scores:
        metadata[SCORE] = hit.score
    if trace:
        earlier = metadata.get(TRACE)
        kept = earlier if isinstance(earlier, dict) else {}
        metadata[TRACE] = {**kept, **_as_json(hit.trace)}
    return document.model_copy(update={"metadata": metadata})


def copied(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with dicts and lists of its own; anything else in it is shared, not copied.

    >>> metadata = {"authors": ["Ada"]}
    >>> copied(metadata)["authors"].append("Grace")
    >>> metadata
    {'authors': ['Ada']}
    """
    return {key: _copied(value) for key, value in metadata.items()}


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _as_json(trace: Iterable[StageScore]) -> dict[str, dict[str, float]]:
    return {entry.stage: {"rank": entry.rank, "score": entry.score} for entry in trace}
