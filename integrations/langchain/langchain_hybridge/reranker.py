"""`HybridgeReranker`: any reranker of Hybridge as LangChain's document compressor and Runnable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import ConfigDict, Field, field_validator

from hybridge import Hit, Passage
from hybridge.copying import check_parts
from hybridge.errors import InvalidInputError
from hybridge.passages import stored_passage
from hybridge.reranking import TextReranker

from .documents import checked, copied, scored

__all__ = ["HybridgeReranker", "core_reranker"]


class HybridgeReranker(BaseDocumentCompressor):
    """LangChain's document compressor over any reranker of Hybridge.

    It returns copies of documents in a new order; those that were given stay as they are.

    Args:
        reranker: anything with `rerank` and `arerank`. What reads texts takes any documents; what
            knows its passages, like `HybridIndex.late_interaction`, those with their ids alone.
        top_n: documents to return at most; None for all.
        include_scores: put the score into the metadata, as ``relevance_score``.
        include_trace: put the reranker's rank and score there too, under ``hybridge``, beside what
            a retriever has put there.

    Raises:
        pydantic.ValidationError: a field that there is not, or a value that is not valid.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    reranker: Any = Field(exclude=True, repr=False)
    top_n: int | None = Field(default=3, ge=1)
    include_scores: bool = True
    include_trace: bool = False

    @field_validator("reranker")
    @classmethod
    def _check_reranker(cls, value: Any) -> Any:
        return core_reranker(value)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """The documents in the order of their relevance for the query, cut to `top_n`.

        Args:
            documents: in any order.
            query: the question.
            callbacks: not called: a Runnable, which `as_runnable` gives, has runs.

        Raises:
            HybridgeError: something that is no document, or a query that is no string.
        """
        given = checked(documents)
        hits = self._hits(given)
        [answer] = self.reranker.rerank([query], [hits], self.top_n)
        return self._documents(given, hits, answer)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """`compress_documents` that does not block the event loop."""
        given = checked(documents)
        hits = self._hits(given)
        [answer] = await self.reranker.arerank([query], [hits], self.top_n)
        return self._documents(given, hits, answer)

    def as_runnable(self) -> Runnable[dict[str, Any], list[Document]]:
        """This reranker as a step of a chain: ``{"query": ..., "documents": ...}`` to documents.

        >>> from langchain_hybridge import ColBERTReranker
        >>> step = ColBERTReranker(top_n=1).as_runnable()
        >>> documents = [Document("Bread needs yeast."), Document("Blood clots.")]
        >>> step.invoke({"query": "why does blood clot?", "documents": documents})[0].page_content
        'Blood clots.'
        """
        return RunnableLambda(self._rerank, self._arerank, name=type(self).__name__)

    def _rerank(self, given: dict[str, Any]) -> list[Document]:
        return self.compress_documents(*_asked(given))

    async def _arerank(self, given: dict[str, Any]) -> list[Document]:
        return await self.acompress_documents(*_asked(given))

    def __getstate__(self) -> dict[Any, Any]:
        check_parts(self, vars(self))
        return super().__getstate__()

    def _hits(self, documents: Sequence[Document]) -> list[Hit]:
        if isinstance(self.reranker, TextReranker):
            # Texts are all that counts: any ids and metadata will do, and ties keep their order.
            return [
                Hit(Passage(f"{at:09}", document.page_content), 0.0)
                for at, document in enumerate(documents)
            ]
        # Not checked again: what came out of an index may have got metadata that JSON cannot hold.
        return [
            Hit(
                stored_passage(_id_of(document), document.page_content, copied(document.metadata)),
                0.0,
            )
            for document in documents
        ]

    def _documents(
        self, documents: Sequence[Document], given: Sequence[Hit], answer: Sequence[Hit]
    ) -> list[Document]:
        by_id: dict[str, list[Document]] = {}
        for hit, document in zip(given, documents, strict=True):
            by_id.setdefault(hit.passage.id, []).append(document)
        return [
            scored(
                by_id[hit.passage.id].pop(0),
                hit,
                scores=self.include_scores,
                trace=self.include_trace,
            )
            for hit in answer
        ]


def core_reranker(value: Any) -> Any:
    """A reranker of Hybridge, or what LangChain's face of one covers.

    Raises:
        InvalidInputError: something else.
    """
    reranker = value.reranker if isinstance(value, HybridgeReranker) else value
    verbs = (getattr(reranker, "rerank", None), getattr(reranker, "arerank", None))
    if isinstance(reranker, type) or not all(map(callable, verbs)):
        raise InvalidInputError(
            f"{value!r} is no reranker: use CrossEncoderReranker, ColBERTReranker, or an object "
            "with rerank and arerank"
        )
    return reranker


def _asked(given: Any) -> tuple[list[Document], str]:
    if not isinstance(given, Mapping) or not {"query", "documents"} <= set(given):
        got = list(given) if isinstance(given, Mapping) else type(given).__name__
        raise InvalidInputError(f"a reranker takes {{'query': ..., 'documents': ...}}, not {got}")
    return given["documents"], given["query"]


def _id_of(document: Document) -> str:
    if not document.id:
        raise InvalidInputError(
            "this reranker knows documents by their ids, and one has none: give it documents that "
            "came out of its index"
        )
    return document.id
