"""`HybridVectorStore`: a hybrid index where LangChain wants a vector store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from hybridge import Hit, HybridIndex
from hybridge.diversity import DiverseRetriever
from hybridge.errors import InvalidInputError
from hybridge.interop import is_persistent
from hybridge.protocols import Where

from .attaching import attached
from .base import document_of, documents_of_hits
from .documents import documents_of_texts, passages_of
from .embeddings import embeddings_of, encoder_of
from .relevance import RelevanceRetriever, relevance_of
from .retrievers import HybridgeRetriever
from .searching import search_text_of
from .structured_query import register_translator

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = ["HybridVectorStore"]

_DIVERSE = {"fetch_k", "lambda_mult"}


class HybridVectorStore(VectorStore):
    """LangChain's vector store over a hybrid index: every search is by BM25 and vectors together.

    Searches by a vector use the vectors alone; maximal marginal relevance chooses by them from what
    a search found. Filters are those of Hybridge: ``{"year": {"$gte": 2020}}``, or objects of
    `hybridge.filters`.

    Args:
        index: an open index; see `create`, `open` and `from_texts` for one of its own.

    Raises:
        InvalidInputError: something that is no `HybridIndex`.

    >>> store = HybridVectorStore.create()
    >>> ids = store.add_documents([Document("Blood clots.", id="a"), Document("Bread.", id="b")])
    >>> [document.id for document in store.similarity_search("why does blood clot?", k=1)]
    ['a']
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        register_translator(HybridVectorStore)  # here, because unpickling calls no __init__
        return super().__new__(cls)

    def __init__(self, index: HybridIndex) -> None:
        if not isinstance(index, HybridIndex):
            raise InvalidInputError(
                f"a HybridVectorStore needs a HybridIndex, not a {type(index).__name__}: "
                "HybridVectorStore.create(embedding) makes one"
            )
        self.index = index

    @classmethod
    def create(
        cls,
        embedding: Any = None,
        *,
        path: str | Path | None = None,
        identity: str | None = None,
        batch_size: int | None = None,
        search_text: Any = None,
        **options: Any,
    ) -> Self:
        """Return a store over a new index.

        Args:
            embedding: LangChain's `Embeddings`, a model's name or folder, an encoder of Hybridge,
                or None for Hybridge's default model.
            path: a missing or empty folder; without it, and a url, a temporary one.
            identity: names the embeddings and their settings, where they have no such name.
            batch_size: how many texts LangChain's `Embeddings` get at most in one call, for a
                server that refuses larger requests; None for 128.
            search_text: what is searched of a document, while its ``page_content`` is what is
                returned: a template such as ``"{title}\\n{page_content}"`` over text and
                metadata, or a function from a `Document` to a string; None for the text alone.
            options: those of `hybridge.HybridIndex.create`, like ``url``, ``client``,
                ``late_interaction``, ``passage_cache``, or ``stages`` in place of embeddings.

        Raises:
            TypeError: an unknown option.
            HybridgeError: an argument is not valid, or there is something at this place already.
        """
        encoder = None
        named = any(each is not None for each in (embedding, identity, batch_size))
        if named or options.get("stages") is None:
            cache = options.get("passage_cache", False)
            persistent = is_persistent(path, options.get("url"), cache, options.get("client"))
            encoder = encoder_of(embedding, identity, batch_size=batch_size, persistent=persistent)
        text = search_text_of(search_text)
        return cls(HybridIndex.create(path, encoder=encoder, search_text=text, **options))

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        embedding: Any = None,
        *,
        identity: str | None = None,
        batch_size: int | None = None,
        read_only: bool | None = None,
        search_text: Any = None,
        **options: Any,
    ) -> Self:
        """Return a store over an existing index.

        Args:
            path: its folder.
            embedding: the embeddings it was made with; None where they were a model of
                sentence-transformers, which the index loads itself.
            identity: as for `create`.
            batch_size: as for `create`.
            read_only: True opens a copy of its state for searching, beside any writer, which
                `HybridVectorStore.refresh` renews; False opens it for writing, which one process
                at a time can do. None opens for writing if possible, else for reading only, which
                is logged; `hybridge.HybridIndex.is_read_only` says which.
            search_text: as for `create`; None where it was a template, which the index keeps.
            options: those of `hybridge.HybridIndex.open`, like ``url`` and ``client``.

        Raises:
            TypeError: an unknown option.
            HybridgeError: there is no index, it was made with other embeddings, or it is open
                for writing already and ``read_only=False``.
        """
        encoder = None
        if any(value is not None for value in (embedding, identity, batch_size)):
            encoder = encoder_of(embedding, identity, batch_size=batch_size)
        text = search_text_of(search_text)
        index = HybridIndex.open(
            path, encoder=encoder, read_only=read_only, search_text=text, **options
        )
        return cls(index)

    @classmethod
    def from_qdrant(
        cls,
        client_or_url: QdrantClient | AsyncQdrantClient | str | Sequence[str],
        collection: str,
        embedding: Any = None,
        **options: Any,
    ) -> Self:
        """Return a store over a collection that `langchain-qdrant` wrote.

        Args:
            client_or_url: a `QdrantClient` or `AsyncQdrantClient`, which stays the caller's to
                close, or the url of a server, or several of one cluster.
            collection: the store's ``collection_name``.
            embedding: the store's embeddings, or the same model for Hybridge to load.
            options: those of `langchain_hybridge.attaching.attached`: ``vector_name``,
                ``content_payload_key``, ``metadata_payload_key``, ``layout`` where LlamaIndex
                wrote it, ``api_key``, ``analyzer``, ``synonyms``, ``search_text``, ``batch_size``,
                ``timeout`` and the like of the connection, and ``writable=True`` to let documents
                be added and deleted.

        Raises:
            TypeError: an unknown option.
            HybridgeError: there is no such collection or vector, or the embeddings are of another
                length than its vectors.
        """
        return cls(attached(client_or_url, collection, embedding, **options))

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        embedding: Any = None,
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **options: Any,
    ) -> Self:
        """Return a store over a new index of these texts.

        Args:
            texts: the texts of the documents.
            embedding: as for `create`.
            metadatas: one a text.
            ids: one a text; those that are None are given.
            options: those of `create`.

        Raises:
            HybridgeError: as for `create`, or a text, its metadata or its id is not valid.
        """
        return cls.from_documents(documents_of_texts(texts, metadatas, ids), embedding, **options)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        embedding: Any = None,
        *,
        ids: Iterable[str | None] | None = None,
        **options: Any,
    ) -> Self:
        """Return a store over a new index of these documents; the rest is as for `from_texts`.

        Args:
            documents: the documents to index.
            embedding: as for `create`.
            ids: one a document, instead of the documents' own.
            options: those of `create`.
        """
        passages = passages_of(documents, ids)
        store = cls.create(embedding, **options)
        try:
            store.index.add(passages)
        except BaseException:
            store.index.close()
            raise
        return store

    def close(self) -> None:
        """Close the index; closing again does nothing."""
        self.index.close()

    def refresh(self) -> None:
        """Read what others wrote since the index was opened, see `hybridge.HybridIndex.refresh`.

        That is for a store that was opened with ``read_only=True``, and for one that is attached
        to a collection. Any other is always up to date.
        """
        self.index.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def embeddings(self) -> Embeddings | None:
        """The index's encoder, as LangChain's embeddings; None without a dense stage."""
        with suppress(InvalidInputError):
            return embeddings_of(self.index.encoder)
        return None

    def add_documents(  # type: ignore[override]  # no other keywords, so that a typo is an error
        self,
        documents: Iterable[Document],
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
        current_time: object = None,
    ) -> list[str]:
        """Add documents; one whose id is there already replaces it.

        One whose text is what it was keeps its vectors: the embeddings are not asked again.

        Args:
            documents: with metadata that JSON can hold.
            ids: one a document, instead of the documents' own; one without any gets one.
            batch_size: how many texts the embeddings get at most in one call, for a server that
                refuses larger requests; None leaves it to the embeddings.
            current_time: not used: `TimeWeightedVectorStoreRetriever` passes it on to its store.

        Returns:
            the ids, in the order of the documents.

        Raises:
            HybridgeError: a document is not valid, or an id comes twice; nothing was written.
        """
        passages = passages_of(documents, ids)
        self.index.add(passages, batch_size=batch_size)
        return [passage.id for passage in passages]

    def add_texts(  # type: ignore[override]
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """Add texts, as `add_documents` adds documents.

        Args:
            texts: the texts of the documents.
            metadatas: one a text.
            ids: one a text; those that are None are given.
            batch_size: as for `add_documents`.

        Raises:
            HybridgeError: not one of each a text, or what `add_documents` raises.
        """
        return self.add_documents(documents_of_texts(texts, metadatas, ids), batch_size=batch_size)

    async def aadd_texts(  # type: ignore[override]
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """`add_texts` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(
            self.add_texts, texts, metadatas, ids=ids, batch_size=batch_size
        )

    async def aadd_documents(  # type: ignore[override]
        self,
        documents: Iterable[Document],
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
        current_time: object = None,
    ) -> list[str]:
        """`add_documents` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(
            self.add_documents, documents, ids=ids, batch_size=batch_size
        )

    def delete(  # type: ignore[override]
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Where | None = None,  # noqa: A002
    ) -> bool:
        """Delete documents by their ids or by a filter; ids that are not there are no error.

        Without either it raises, where others delete everything: ``filter={}`` does that.

        Raises:
            InvalidInputError: neither or both were given.
        """
        if (ids is None) == (filter is None):
            raise InvalidInputError("delete needs either ids or filter, to say what to delete")
        self.index.delete(ids, where=filter)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents of these ids, in the order of the ids; unknown ids are left out."""
        found = self.index.get(ids)
        return [document_of(Hit(passage, 0.0)) for passage in found if passage is not None]

    def as_retriever(  # type: ignore[override]  # ours knows more than VectorStoreRetriever
        self,
        *,
        search_type: str = "similarity",
        search_kwargs: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> HybridgeRetriever:
        """Return a retriever over this store: hybrid, diverse, or by relevance.

        Args:
            search_type: ``"similarity"``, ``"mmr"`` or ``"similarity_score_threshold"``, which
                searches as `similarity_search_with_relevance_scores` does.
            search_kwargs: ``k`` and ``filter``; for ``"mmr"`` also ``fetch_k`` and
                ``lambda_mult``; for ``"similarity_score_threshold"`` also ``score_threshold``,
                from 0 to 1, which has to be given.
            settings: fields of the retriever, like ``rerankers`` or ``tags``. Its field
                ``score_threshold`` is another threshold, in the unit of the last stage.

        Raises:
            ValueError: another search type, an unknown keyword, or a threshold that is
                none.
        """
        options = dict(search_kwargs or {})
        settings.setdefault("tags", self._get_retriever_tags())
        if search_type == "similarity":
            return HybridgeRetriever(retriever=self.index, **options, **settings)
        if search_type == "mmr":
            chosen = {name: options.pop(name) for name in _DIVERSE & options.keys()}
            diverse = DiverseRetriever(self.index, **chosen)
            return HybridgeRetriever(retriever=diverse, **options, **settings)
        if search_type == "similarity_score_threshold":
            if options.get("score_threshold") is None:
                raise InvalidInputError(
                    "search_type='similarity_score_threshold' needs search_kwargs={"
                    "'score_threshold': …}, a number from 0 to 1"
                )
            threshold = options.pop("score_threshold")
            relevant = RelevanceRetriever(self.index, score_threshold=threshold)
            return HybridgeRetriever(retriever=relevant, **options, **settings)
        raise InvalidInputError(
            "search_type must be 'similarity', 'mmr' or 'similarity_score_threshold', not "
            f"{search_type!r}"
        )

    def similarity_search(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where | None = None,  # noqa: A002
    ) -> list[Document]:
        """Return the `k` most relevant documents, by BM25 and vectors together.

        Args:
            query: the question. A blank one with a filter finds what passes the filter, in no
                order: so a language model asks that wants a filter alone. Without one it finds
                nothing.
            k: documents at most.
            filter: only documents whose metadata pass.
        """
        return documents_of_hits([self._search(query, k, filter)])[0]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where | None = None,  # noqa: A002
    ) -> list[tuple[Document, float]]:
        """Return `similarity_search` with scores: higher is better, comparable within one query."""
        return [(document_of(hit), hit.score) for hit in self._search(query, k, filter)]

    def similarity_search_by_vector(  # type: ignore[override]
        self,
        embedding: list[float],
        k: int = 4,
        *,
        filter: Where | None = None,  # noqa: A002
    ) -> list[Document]:
        """Return the `k` documents whose vectors are nearest to this one."""
        [hits] = self.index.dense.search_vectors([embedding], k, where=filter)
        return documents_of_hits([hits])[0]

    def max_marginal_relevance_search(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Where | None = None,  # noqa: A002
    ) -> list[Document]:
        """Return `k` documents that are near the query and unlike each other.

        Args:
            query: the question; a blank one as for `similarity_search`.
            k: documents at most.
            fetch_k: candidates to choose from, found by BM25 and vectors together.
            lambda_mult: 1 for the nearest, 0 for the most diverse.
            filter: only documents whose metadata pass.
        """
        if filter is not None and isinstance(query, str) and not query.strip():
            return documents_of_hits([self._passing(k, filter)])[0]
        retriever = DiverseRetriever(self.index, fetch_k=fetch_k, lambda_mult=lambda_mult)
        [hits] = retriever.search([query], k, where=filter)
        return documents_of_hits([hits])[0]

    def max_marginal_relevance_search_by_vector(  # type: ignore[override]
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Where | None = None,  # noqa: A002
    ) -> list[Document]:
        """Return the same for a vector; candidates are the nearest ones."""
        retriever = DiverseRetriever(self.index, fetch_k=fetch_k, lambda_mult=lambda_mult)
        hits = retriever.search_vector(embedding, k, where=filter)
        return documents_of_hits([hits])[0]

    def similarity_search_with_relevance_scores(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where | None = None,  # noqa: A002
        score_threshold: float | None = None,
    ) -> list[tuple[Document, float]]:
        """Return the `k` most relevant documents, each with (1 + cosine) / 2 of the dense stage.

        That relevance lies between 0 and 1 and can be compared from query to query, which a fused
        score cannot. The search is by the dense stage alone, best first: `RelevanceRetriever` says
        why. For the hybrid search and its scores there is `similarity_search_with_score`.

        Args:
            query: the question; a blank one finds nothing.
            k: documents at most.
            filter: only documents whose metadata pass.
            score_threshold: leave out what is less relevant, from 0 to 1. Embeddings of unrelated
                texts often have a relevance of 0.5 to 0.8: look at your own before choosing.

        Raises:
            InvalidInputError: an argument is not valid, or the index compares by dot products
                vectors whose length is not 1, which have no cosine.
        """
        retriever = RelevanceRetriever(self.index, score_threshold=score_threshold)
        [hits] = retriever.search([query], k, where=filter)
        return [(document_of(hit), hit.score) for hit in hits]

    async def asimilarity_search_with_relevance_scores(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where | None = None,  # noqa: A002
        score_threshold: float | None = None,
    ) -> list[tuple[Document, float]]:
        """`similarity_search_with_relevance_scores` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(
            self.similarity_search_with_relevance_scores,
            query,
            k,
            filter=filter,
            score_threshold=score_threshold,
        )

    def _similarity_search_with_relevance_scores(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where | None = None,  # noqa: A002
    ) -> list[tuple[Document, float]]:
        # LangChain's own would map the fused scores.
        return self.similarity_search_with_relevance_scores(query, k, filter=filter)

    async def _asimilarity_search_with_relevance_scores(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where | None = None,  # noqa: A002
    ) -> list[tuple[Document, float]]:
        return await self.asimilarity_search_with_relevance_scores(query, k, filter=filter)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return relevance_of

    def _search(self, query: str, k: int, where: Where | None) -> list[Hit]:
        if where is not None and isinstance(query, str) and not query.strip():
            return self._passing(k, where)
        [hits] = self.index.search([query], k, where=where)
        return hits

    def _passing(self, k: int, where: Where | None) -> list[Hit]:
        """Return what passes a filter, for a blank query: nothing ranks it, so each scores 0."""
        # Any vector finds what passes, and no more of it than `k`.
        [hits] = self.index.dense.search_vectors(
            [[1.0] * self.index.encoder.dimension], k, where=where
        )
        return [Hit(hit.passage, 0.0) for hit in hits]
