"""`HybridgeRetriever`: any retriever of Hybridge, with everything that LangChain's can do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import LangSmithRetrieverParams
from pydantic import Field, PrivateAttr, ValidationError, field_validator
from pydantic_core import InitErrorDetails

from hybridge import Hit, HybridIndex, Pipeline
from hybridge.copying import check_parts
from hybridge.diversity import DiverseRetriever
from hybridge.errors import InvalidInputError
from hybridge.filters import as_filter
from hybridge.foreign import Inside, as_retriever

from .batches import BatchedRetriever, Where
from .documents import document_of, documents_of, passages_of
from .embeddings import encoder_of
from .relevance import RelevanceRetriever
from .reranker import core_reranker
from .tracing import is_watched, traced

__all__ = ["HybridgeRetriever"]


class _Made:
    """The pipeline that a retriever searched with last, and the fields that it was made of.

    No part of what the retriever is: any two are equal, and a copy begins without one.
    """

    __slots__ = ("fields", "pipeline")

    def __init__(self, fields: tuple[Any, ...] = (), pipeline: Pipeline | None = None) -> None:
        self.fields = fields
        self.pipeline = pipeline

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Made)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type[_Made], tuple[()]]:
        return _Made, ()


class HybridgeRetriever(BatchedRetriever):
    """LangChain's retriever over any retriever of Hybridge: an index, BM25, ColBERT, a pipeline.

    `invoke`, `ainvoke`, `batch` and `abatch` take ``k`` and ``filter``, which then count instead
    of the fields. Each stage of a search is a child run of its own. It is a retriever of Hybridge
    too: `search` and `asearch` give hits, for an evaluation or a `Pipeline`.

    Args:
        retriever: anything with `search` and `asearch`, or another retriever of LangChain, whose
            documents need ids (`BridgedRetriever` has more to say).
        k: documents a query gets at most.
        filter: only documents whose metadata pass, as a dict like ``{"year": {"$gte": 2020}}`` or
            as a `hybridge.filters.Filter`.
        rerankers: judge what the retriever found, one after another: `CrossEncoderReranker`,
            `ColBERTReranker`, or any reranker of Hybridge.
        rerank_depth: candidates that rerankers get, never fewer than `k`.
        blend: a reranker's share in the score, from 0 to 1; the rest is what was said before it.
        score_threshold: drop documents whose score is below, in the last stage's own unit.
        include_scores: put each document's score into its metadata, as ``relevance_score``.
        include_trace: put what every stage thought of it there too, under ``hybridge``.

    Raises:
        pydantic.ValidationError: a field that there is not, or a value that is not valid.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("1", "Cats sleep."), Passage("2", "Dogs run.")])
    >>> retriever = HybridgeRetriever(retriever=bm25, k=1, include_scores=True)
    >>> [document] = retriever.invoke("sleeping cat")
    >>> document.id, document.page_content
    ('1', 'Cats sleep.')
    """

    # One opaque field: configurable_fields makes a copy of a retriever for each call, of the
    # declared fields alone, and must neither lose nor copy what the search is done with.
    retriever: Any = Field(exclude=True, repr=False)
    k: int = Field(default=4, ge=1)
    filter: Any = None
    rerankers: tuple[Any, ...] = Field(default=(), exclude=True, repr=False)
    rerank_depth: int = Field(default=50, ge=1)
    blend: float = Field(default=0.5, ge=0, le=1)
    score_threshold: float | None = None
    include_scores: bool = False
    include_trace: bool = False
    _made: _Made = PrivateAttr(default_factory=_Made)

    @field_validator("retriever")
    @classmethod
    def _check_retriever(cls, value: Any) -> Any:
        return as_retriever(value)

    @field_validator("rerankers", mode="before")
    @classmethod
    def _check_rerankers(cls, value: Any) -> tuple[Any, ...]:
        # A LangChain face of a reranker can be iterated over: all of pydantic's models can.
        if not isinstance(value, Sequence):
            raise InvalidInputError(f"rerankers must be a list, not {value!r}: write [{value!r}]")
        return tuple(map(core_reranker, value))

    @field_validator("filter")
    @classmethod
    def _check_filter(cls, value: Any) -> Any:
        as_filter(value)
        return value

    @classmethod
    def _check_settings(cls, settings: Mapping[str, Any]) -> None:
        """Refuse fields that are not valid: before the work that a typo should not cost."""
        if "retriever" in settings:
            raise InvalidInputError("retriever= is what this makes: use from_index to give one")
        try:
            cls(**settings)
        except ValidationError as error:
            # That there is no retriever yet is no complaint: it is what the work will make.
            wrong = [
                InitErrorDetails(
                    type=found["type"],
                    loc=found["loc"],
                    input=found["input"],
                    ctx=found.get("ctx", {}),
                )
                for found in error.errors()
                if found["loc"] != ("retriever",)
            ]
            if wrong:
                raise ValidationError.from_exception_data(cls.__name__, wrong) from None

    @classmethod
    def from_index(cls, index: Any, **settings: Any) -> Self:
        """A retriever over what Hybridge can search already.

        Args:
            index: a `HybridIndex`, or any other retriever of Hybridge.
            settings: the retriever's own fields, like ``k``.
        """
        return cls(retriever=index, **settings)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        embedding: Any = None,
        *,
        path: str | Path | None = None,
        identity: str | None = None,
        batch_size: int | None = None,
        analyzer: Any = None,
        late_interaction: Any = None,
        overwrite: bool = False,
        **settings: Any,
    ) -> Self:
        """A retriever over a new hybrid index of these documents.

        Args:
            documents: what can be found. One without an id gets one.
            embedding: LangChain's `Embeddings`, a model's name or folder, an encoder of Hybridge,
                or None for Hybridge's default model, which needs no hub.
            path: a missing or empty folder for the index; without it, a temporary one.
            identity: names the embeddings and their settings, where they do not do so themselves.
            batch_size: how many texts LangChain's `Embeddings` get at most in one call, for a
                server that refuses larger requests; None for 128.
            analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
            late_interaction: True judges candidates by stored token vectors too, as there.
            overwrite: replace an index that is in the folder.
            settings: the retriever's own fields, like ``k``.

        Raises:
            pydantic.ValidationError: a field that there is not; nothing was written.
            HybridgeError: a document or an argument is not valid.

        >>> documents = [Document("Aspirin thins the blood."), Document("Bread needs yeast.")]
        >>> retriever = HybridgeRetriever.from_documents(documents, k=1)
        >>> retriever.invoke("what makes blood thinner?")[0].page_content
        'Aspirin thins the blood.'
        """
        cls._check_settings(settings)
        passages = passages_of(documents)
        index = HybridIndex.create(
            path,
            encoder=encoder_of(embedding, identity, batch_size=batch_size, kept=path is not None),
            analyzer=analyzer,
            late_interaction=late_interaction,
            overwrite=overwrite,
        )
        try:
            index.add(passages)
        except BaseException:
            index.close()
            raise
        return cls(retriever=index, **settings)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str] | None = None,
        **options: Any,
    ) -> Self:
        """A retriever over texts.

        Args:
            texts: what can be found.
            metadatas: one a text.
            ids: one a text.
            options: what `from_documents` takes besides documents, by keyword.

        Raises:
            HybridgeError: not one of each a text, and what `from_documents` raises.
        """
        return cls.from_documents(documents_of(texts, metadatas, ids), **options)

    def __getstate__(self) -> dict[Any, Any]:
        check_parts(self, vars(self))
        return super().__getstate__()

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        names = super()._get_ls_params(**kwargs)
        searched = _searched(self.retriever)
        names["ls_vector_store_provider"] = type(searched).__name__
        encoder = getattr(searched, "encoder", None)
        if encoder is not None:
            embeddings = getattr(encoder, "embeddings", None)
            names["ls_embedding_provider"] = type(embeddings or encoder).__name__
            names["ls_embedding_model"] = encoder.identity
        return names

    def add_documents(self, documents: Iterable[Document]) -> list[str]:
        """Add documents to what is searched; one whose id is there already replaces it.

        Returns:
            their ids.

        Raises:
            InvalidInputError: what is searched takes none, or a document is not valid.
        """
        searched = _searched(self.retriever)
        if not callable(getattr(searched, "add", None)):
            raise InvalidInputError(f"a {type(searched).__name__} takes no documents")
        passages = passages_of(documents)
        searched.add(passages)
        return [passage.id for passage in passages]

    async def aadd_documents(self, documents: Iterable[Document]) -> list[str]:
        """`add_documents` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.add_documents, documents)

    def search(
        self, queries: Sequence[str], k: int | None = None, *, where: Where = None
    ) -> list[list[Hit]]:
        """What `batch` finds, as hits of Hybridge and without callbacks; arguments beat fields."""
        lists = self._pipeline().search(queries, **self._options(k, where))
        return list(map(self._above_threshold, lists))

    async def asearch(
        self, queries: Sequence[str], k: int | None = None, *, where: Where = None
    ) -> list[list[Hit]]:
        """`search` that does not block the event loop."""
        lists = await self._pipeline().asearch(queries, **self._options(k, where))
        return list(map(self._above_threshold, lists))

    @property
    def inside(self) -> Inside:
        """What it searches with, for `hybridge.explain` to look into."""
        return Inside(self._pipeline(), self.k, self.filter, self.score_threshold)

    def _above_threshold(self, hits: list[Hit]) -> list[Hit]:
        least = self.score_threshold
        return hits if least is None else [hit for hit in hits if hit.score >= least]

    def _engine(self) -> Any:
        """What searches: the retriever, set up as the fields say."""
        return self.retriever

    def _made_of(self) -> tuple[Any, ...]:
        """The fields that the pipeline is made of, any of which may be assigned anew."""
        return (self.retriever, *self.rerankers, self.rerank_depth, self.blend)

    def _pipeline(self) -> Pipeline:
        fields, made = self._made_of(), self._made
        if made.pipeline is not None and made.fields == fields:
            return made.pipeline
        pipeline = Pipeline(
            self._engine(), *self.rerankers, depth=self.rerank_depth, blend=self.blend
        )
        self._made = _Made(fields, pipeline)
        return pipeline

    def _options(self, k: int | None, filter: Where) -> dict[str, Any]:  # noqa: A002
        return {
            "k": self.k if k is None else k,
            "where": self.filter if filter is None else filter,
        }

    def _answer(
        self,
        queries: Sequence[str],
        runs: Sequence[CallbackManagerForRetrieverRun],
        k: int | None,
        filter: Where,  # noqa: A002
    ) -> list[list[Document]]:
        with traced(queries, runs):
            lists = self.search(queries, k, where=filter)
        return [self._documents(hits) for hits in lists]

    async def _aanswer(
        self,
        queries: Sequence[str],
        runs: Sequence[CallbackManagerForRetrieverRun],
        k: int | None,
        filter: Where,  # noqa: A002
    ) -> list[list[Document]]:
        if is_watched(runs):  # callbacks may block, and so must not be called from the event loop
            return await asyncio.to_thread(self._answer, queries, runs, k, filter)
        lists = await self.asearch(queries, k, where=filter)
        return [self._documents(hits) for hits in lists]

    def _documents(self, hits: Sequence[Hit]) -> list[Document]:
        return [
            document_of(hit, scores=self.include_scores, trace=self.include_trace) for hit in hits
        ]


def _searched(retriever: Any) -> Any:
    """What holds the passages that a retriever finds, behind the stages that only order them."""
    while isinstance(retriever, Pipeline | DiverseRetriever | RelevanceRetriever):
        retriever = retriever.retriever if isinstance(retriever, Pipeline) else retriever.index
    return retriever
