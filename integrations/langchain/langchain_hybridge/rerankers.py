"""Rerankers as LangChain's document compressors, cross-encoders and Runnables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from langchain_core.callbacks import Callbacks
from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import ConfigDict, Field, field_validator

from hybridge import Hit, Passage
from hybridge.colbert import ColBERTReranker as CoreColBERTReranker
from hybridge.cross_encoder import CrossEncoderReranker as CoreCrossEncoderReranker
from hybridge.errors import InvalidInputError
from hybridge.interop import check_parts, stored_passage
from hybridge.language_models import ListwiseReranker as CoreListwiseReranker
from hybridge.language_models import LLMReranker as CoreLLMReranker
from hybridge.reranking import TextReranker

from .documents import check_documents, copied_metadata, reranked_document
from .searching import DocumentId, search_text_of

__all__ = [
    "ColBERTReranker",
    "CrossEncoderReranker",
    "HybridgeReranker",
    "LLMReranker",
    "ListwiseReranker",
    "core_reranker",
]


class HybridgeReranker(BaseDocumentCompressor):
    """LangChain's document compressor over any reranker of Hybridge.

    It returns copies of the documents in a new order; its input stays as it is.

    Args:
        reranker: anything with `rerank` and `arerank`. One that reads texts takes any documents;
            one that scores stored passages by their ids, like `HybridIndex.late_interaction`,
            takes documents of its index alone.
        top_n: documents to return at most; None for all.
        include_scores: put the score into the metadata, as ``relevance_score``.
        include_trace: put the reranker's rank and score there too, under ``hybridge``, beside what
            a retriever's.

    Raises:
        pydantic.ValidationError: an unknown field, or a value that is not valid.
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
        """Return the best `top_n` documents in the order of their relevance for the query.

        Args:
            documents: in any order.
            query: the question.
            callbacks: not called; the Runnable of `as_runnable` has runs.

        Raises:
            HybridgeError: something that is no document, or a query that is no string.
        """
        listed = check_documents(documents)
        candidates = self._candidates(listed)
        [answer] = self.reranker.rerank([query], [candidates], self.top_n)
        return self._documents(listed, candidates, answer)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """`compress_documents` that does not block the event loop."""
        listed = check_documents(documents)
        candidates = self._candidates(listed)
        [answer] = await self.reranker.arerank([query], [candidates], self.top_n)
        return self._documents(listed, candidates, answer)

    def as_runnable(self) -> Runnable[dict[str, Any], list[Document]]:
        """Return a step of a chain, from ``{"query": ..., "documents": ...}`` to documents.

        >>> from langchain_hybridge import ColBERTReranker
        >>> step = ColBERTReranker(top_n=1).as_runnable()
        >>> documents = [Document("Bread needs yeast."), Document("Blood clots.")]
        >>> step.invoke({"query": "why does blood clot?", "documents": documents})[0].page_content
        'Blood clots.'
        """
        return RunnableLambda(self._rerank, self._arerank, name=type(self).__name__)

    def _rerank(self, arguments: dict[str, Any]) -> list[Document]:
        return self.compress_documents(*_documents_and_query(arguments))

    async def _arerank(self, arguments: dict[str, Any]) -> list[Document]:
        return await self.acompress_documents(*_documents_and_query(arguments))

    def __getstate__(self) -> dict[Any, Any]:
        check_parts(self, vars(self))
        return super().__getstate__()

    def _candidates(self, documents: Sequence[Document]) -> list[Hit]:
        if getattr(self.reranker, "reads_texts", False):
            # Only what it reads counts: any ids will do, and ties keep their order.
            return [Hit(_numbered(i, document), 0.0) for i, document in enumerate(documents)]
        # Not checked again: an index's documents may have got metadata that JSON cannot hold.
        return [
            Hit(
                stored_passage(
                    _id_of(document), document.page_content, copied_metadata(document.metadata)
                ),
                0.0,
            )
            for document in documents
        ]

    def _documents(
        self, documents: Sequence[Document], candidates: Sequence[Hit], answer: Sequence[Hit]
    ) -> list[Document]:
        by_id: dict[str, list[Document]] = {}
        for hit, document in zip(candidates, documents, strict=True):
            by_id.setdefault(hit.passage.id, []).append(document)
        return [
            reranked_document(
                by_id[hit.passage.id].pop(0),
                hit,
                scores=self.include_scores,
                trace=self.include_trace,
            )
            for hit in answer
        ]


class _MadeReranker(HybridgeReranker):
    """A reranker of texts that is made of a model."""

    _core: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        model: Any = None,
        *,
        top_n: int | None = 3,
        include_scores: bool = True,
        include_trace: bool = False,
        search_text: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            reranker=type(self)._core(model, search_text=search_text_of(search_text), **options),
            top_n=top_n,
            include_scores=include_scores,
            include_trace=include_trace,
        )


class _TextReranker(_MadeReranker, BaseCrossEncoder):
    """A reranker that scores each text by itself, and so pairs as well."""

    _core: ClassVar[Callable[..., TextReranker]]

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """Return the score of each pair of a query and a text, in order; higher is better.

        Raises:
            HybridgeError: something that is no pair of strings.
        """
        positions: dict[str, list[int]] = {}
        for i, pair in enumerate(text_pairs):
            if not _is_pair(pair):
                raise InvalidInputError(
                    f"text_pairs must be (query, text) pairs of strings, not {pair!r}"
                )
            positions.setdefault(pair[0], []).append(i)
        texts = [[text_pairs[i][1] for i in row] for row in positions.values()]
        rows = self.reranker.score_texts(list(positions), texts)
        scores = [0.0] * len(text_pairs)
        for row, values in zip(positions.values(), rows, strict=True):
            for i, value in zip(row, values, strict=True):
                scores[i] = value
        return scores


class CrossEncoderReranker(_TextReranker):
    """A cross-encoder of sentence-transformers, which reads each document with the query.

    Args:
        model: a name, a folder, a `CrossEncoder`, or None for
            ``cross-encoder/ms-marco-MiniLM-L6-v2``; found now, loaded at the first use.
        top_n: documents to return at most; None for all.
        include_scores: put the score into the metadata, as ``relevance_score``.
        include_trace: put rank and score there too, under ``hybridge``.
        search_text: what it reads of a document: a template such as ``"{title}\\n{page_content}"``
            or a function from a `Document` to a string; None for the text alone.
        options: those of `hybridge.cross_encoder.CrossEncoderReranker`, like ``sigmoid``,
            ``threshold``, ``window``, ``max_length``, ``batch_size``, ``device``, ``dtype``,
            ``backend``.

    Raises:
        TypeError: an unknown option.
        InvalidInputError: a value that is not valid.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.
    """

    _core = CoreCrossEncoderReranker


class ColBERTReranker(_TextReranker):
    """Late interaction: each token of the query finds its best match in the document (MaxSim).

    Args:
        model: a ColBERT checkpoint, or any bi-encoder, which runs training-free; None for
            Hybridge's default bi-encoder.
        top_n: documents to return at most; None for all.
        include_scores: put the score into the metadata, as ``relevance_score``.
        include_trace: put rank and score there too, under ``hybridge``.
        search_text: what it reads of a document: a template such as ``"{title}\\n{page_content}"``
            or a function from a `Document` to a string; None for the text alone.
        options: those of `hybridge.colbert.ColBERTReranker`, like ``engine``, ``query_length``,
            ``passage_length``, ``threshold``, ``device``.

    Raises:
        TypeError: an unknown option.
        InvalidInputError: a value that is not valid.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> from langchain_core.documents import Document
    >>> reranker = ColBERTReranker(top_n=1)
    >>> documents = [Document("Bread needs yeast."), Document("Blood clots.")]
    >>> [best] = reranker.compress_documents(documents, "why does blood clot?")
    >>> best.page_content, best.metadata["relevance_score"] > 0.5
    ('Blood clots.', True)
    """

    _core = CoreColBERTReranker


class ListwiseReranker(_MadeReranker):
    """A language model that ranks windows of documents, from the last to the first.

    What it leaves out keeps its earlier order, and no document is lost, whatever it writes.

    Args:
        model: a chat model or LLM of LangChain, one of LlamaIndex, a function from a prompt to a
            text, or a `hybridge.language_models.LanguageModel`.
        top_n: documents to return at most; None for all.
        include_scores: put the score into the metadata, as ``relevance_score``: the number of
            documents behind it.
        include_trace: put rank, score and note there too, under ``hybridge``: the note has the cost
            and the failures.
        search_text: what it reads of a document: a template such as ``"{title}\\n{page_content}"``
            or a function from a `Document` to a string; None for the text alone.
        options: those of `hybridge.language_models.ListwiseReranker`, like ``window``, ``step``,
            ``instruction``, ``prompt_tokens``.

    Raises:
        TypeError: an unknown option.
        InvalidInputError: a value that is not valid.

    >>> from langchain_core.documents import Document
    >>> from langchain_core.language_models import FakeListChatModel
    >>> reranker = ListwiseReranker(FakeListChatModel(responses=["[2] > [1]"]), top_n=1)
    >>> documents = [Document("Bread needs yeast."), Document("Blood clots.")]
    >>> reranker.compress_documents(documents, "why does blood clot?")[0].page_content
    'Blood clots.'
    """

    _core = CoreListwiseReranker


class LLMReranker(_MadeReranker):
    """A language model that grades each document.

    Args:
        model: as for `ListwiseReranker`, as are the others up to `search_text`.
        top_n: documents to return at most; None for all.
        include_scores: put the grade into the metadata, as ``relevance_score``.
        include_trace: put rank, grade and note there too, under ``hybridge``.
        search_text: what it reads of a document.
        options: those of `hybridge.language_models.LLMReranker`, like ``highest``, ``per_call``,
            ``instruction``, ``prompt_tokens``.

    Raises:
        TypeError: an unknown option.
        InvalidInputError: a value that is not valid.
    """

    _core = CoreLLMReranker


def core_reranker(value: Any) -> Any:
    """Return a reranker of Hybridge, or the one inside a `HybridgeReranker`.

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


def _documents_and_query(arguments: Any) -> tuple[list[Document], str]:
    if not isinstance(arguments, Mapping) or not {"query", "documents"} <= set(arguments):
        got = list(arguments) if isinstance(arguments, Mapping) else type(arguments).__name__
        raise InvalidInputError(f"a reranker takes {{'query': ..., 'documents': ...}}, not {got}")
    return arguments["documents"], arguments["query"]


def _numbered(number: int, document: Document) -> Passage:
    """Return a document as a passage whose id sorts by its number."""
    id_ = DocumentId(f"{number:09}")
    id_.document = document
    # A valid text; the metadata are read as far as the reranker reads them.
    return stored_passage(id_, Passage(id_, document.page_content).text, document.metadata)


def _id_of(document: Document) -> str:
    if not document.id:
        raise InvalidInputError(
            "this reranker finds documents by their ids, and one has none: give it documents that "
            "came out of its index"
        )
    return document.id


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(text, str) for text in value)
    )
