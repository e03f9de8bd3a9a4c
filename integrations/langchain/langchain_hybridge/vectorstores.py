"""`HybridVectorStore`: a hybrid index where LangChain wants a vector store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from hybridge import Hit, HybridIndex
from hybridge.diversity import DiverseRetriever
from hybridge.errors import InvalidInputError

from .attaching import attached
from .batches import Where
from .documents import checked, document_of, documents_of, passages_of
from .embeddings import embeddings_of, encoder_of
from .retriever import HybridgeRetriever
from .retrievers import HybridRetriever
from .searches import NO_RELEVANCE, StoreSearches

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["HybridVectorStore"]


class HybridVectorStore(StoreSearches):
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
        **options: Any,
    ) -> Self:
        """A store over a new index.

        Args:
            embedding: LangChain's `Embeddings`, a model's name or folder, an encoder of Hybridge,
                or None for Hybridge's default model, which needs no hub.
            path: a missing or empty folder; without it, and a url, a temporary one.
            identity: names the embeddings and their settings, where they do not do so themselves.
            options: those of `hybridge.HybridIndex.create`, like ``url``, ``late_interaction``.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: an argument is not valid, or there is something at this place already.
        """
        kept = path is not None or options.get("url") not in (None, ":memory:")
        encoder = encoder_of(embedding, identity, kept=kept)
        return cls(HybridIndex.create(path, encoder=encoder, **options))

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        embedding: Any = None,
        *,
        identity: str | None = None,
        **options: Any,
    ) -> Self:
        """A store over the index that is there.

        Args:
            path: its folder.
            embedding: the embeddings it was made with; None where they were a model of
                sentence-transformers, which the index loads itself.
            identity: as for `create`.
            options: those of `hybridge.HybridIndex.open`, like ``url``.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: there is no index, it is open already, or it was made with others.
        """
        encoder = None if embedding is None else encoder_of(embedding, identity)
        return cls(HybridIndex.open(path, encoder=encoder, **options))

    @classmethod
    def from_qdrant(
        cls,
        client_or_url: QdrantClient | str,
        collection: str,
        embedding: Any = None,
        **options: Any,
    ) -> Self:
        """A store over a collection that `langchain-qdrant` wrote.

        Args:
            client_or_url: a `QdrantClient`, which stays the caller's to close, or a server's url.
            collection: the store's ``collection_name``.
            embedding: the store's embeddings, or the same model for Hybridge to load.
            options: those of `langchain_hybridge.attaching.attached`: ``vector_name``,
                ``content_payload_key``, ``metadata_payload_key``, ``api_key``, ``analyzer``, and
                ``writable=True`` to let documents be added and deleted.

        Raises:
            TypeError: an option that there is not.
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
        """A store over a new index of these texts.

        Args:
            texts: what can be found.
            embedding: as for `create`.
            metadatas: one a text.
            ids: one a text; those that are None are given.
            options: those of `create`.

        Raises:
            HybridgeError: as for `create`, or a text, its metadata or its id is not valid.
        """
        passages = passages_of(documents_of(texts, metadatas, ids))
        store = cls.create(embedding, **options)
        try:
            store.index.add(passages)
        except BaseException:
            store.index.close()
            raise
        return store

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        embedding: Any = None,
        *,
        ids: Iterable[str | None] | None = None,
        **options: Any,
    ) -> Self:
        """A store over a new index of these documents; the rest is as for `from_texts`.

        Args:
            documents: what can be found.
            embedding: as for `create`.
            ids: one a document, instead of the documents' own.
            options: those of `create`.
        """
        given = checked(documents)
        return cls.from_texts(
            [document.page_content for document in given],
            embedding,
            [document.metadata for document in given],
            ids=[document.id for document in given] if ids is None else ids,
            **options,
        )

    def close(self) -> None:
        """Close the index; closing again does nothing."""
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def embeddings(self) -> Embeddings:
        """What makes vectors, as LangChain knows it."""
        return embeddings_of(self.index.encoder)

    def add_documents(  # type: ignore[override]  # no other keywords, so that a typo is an error
        self,
        documents: Iterable[Document],
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """Add documents; one whose id is there already replaces it.

        Args:
            documents: with metadata that JSON can hold.
            ids: one a document, instead of the documents' own; one without any gets one.
            batch_size: taken because LangChain's indexing gives it; the index knows better.

        Returns:
            the ids, in the order of the documents.

        Raises:
            HybridgeError: a document is not valid, or an id comes twice; nothing was written.
        """
        passages = passages_of(documents, ids)
        self.index.add(passages)
        return [passage.id for passage in passages]

    def add_texts(  # type: ignore[override]
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
    ) -> list[str]:
        """Add texts, as `add_documents` adds documents.

        Args:
            texts: what can be found.
            metadatas: one a text.
            ids: one a text; those that are None are given.

        Raises:
            HybridgeError: not one of each a text, or what `add_documents` raises.
        """
        return self.add_documents(documents_of(texts, metadatas, ids))

    async def aadd_texts(  # type: ignore[override]
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
    ) -> list[str]:
        """`add_texts` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.add_texts, texts, metadatas, ids=ids)

    async def aadd_documents(  # type: ignore[override]
        self,
        documents: Iterable[Document],
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """`add_documents` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(
            self.add_documents, documents, ids=ids, batch_size=batch_size
        )

    def delete(  # type: ignore[override]
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Where = None,  # noqa: A002
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
        """The documents of those ids that are there, in the order of the ids."""
        found = self.index.get(ids)
        return [document_of(Hit(passage, 0.0)) for passage in found if passage is not None]

    def as_retriever(  # type: ignore[override]  # ours knows more than VectorStoreRetriever
        self,
        *,
        search_type: str = "similarity",
        search_kwargs: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> HybridgeRetriever:
        """A retriever over this store: a `HybridRetriever`, or a diverse one for ``"mmr"``.

        Args:
            search_type: ``"similarity"`` or ``"mmr"``.
            search_kwargs: ``k`` and ``filter``, and for ``"mmr"`` also ``fetch_k`` and
                ``lambda_mult``.
            settings: fields of the retriever, like ``rerankers`` or ``tags``.

        Raises:
            NotImplementedError: ``"similarity_score_threshold"``, see `score_threshold` of
                `HybridgeRetriever` for what there is instead.
            ValueError: another search type, or a keyword that there is not.
        """
        options = dict(search_kwargs or {})
        settings.setdefault("tags", self._get_retriever_tags())
        if search_type == "similarity":
            return HybridRetriever(retriever=self.index, **options, **settings)
        if search_type == "mmr":
            chosen = {name: options.pop(name) for name in _DIVERSE & options.keys()}
            diverse = DiverseRetriever(self.index, **chosen)
            return HybridgeRetriever(retriever=diverse, **options, **settings)
        if search_type == "similarity_score_threshold":
            raise NotImplementedError(NO_RELEVANCE)
        raise InvalidInputError(f"search_type must be 'similarity' or 'mmr', not {search_type!r}")


_DIVERSE = {"fetch_k", "lambda_mult"}
