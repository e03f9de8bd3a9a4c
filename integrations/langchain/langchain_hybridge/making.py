"""How a `HybridVectorStore` comes to be: created, opened, attached, made of texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from hybridge import HybridIndex
from hybridge.errors import InvalidInputError

from .attaching import attached
from .documents import documents_of, passages_of
from .embeddings import encoder_of
from .structured_query import register_translator

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["StoreMaking"]


class StoreMaking(VectorStore):
    """The constructors of `HybridVectorStore`."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        register_translator(StoreMaking)  # here, because unpickling calls no __init__
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
        **options: Any,
    ) -> Self:
        """A store over a new index.

        Args:
            embedding: LangChain's `Embeddings`, a model's name or folder, an encoder of Hybridge,
                or None for Hybridge's default model, which needs no hub.
            path: a missing or empty folder; without it, and a url, a temporary one.
            identity: names the embeddings and their settings, where they do not do so themselves.
            batch_size: how many texts LangChain's `Embeddings` get at most in one call, for a
                server that refuses larger requests; None for 128.
            options: those of `hybridge.HybridIndex.create`, like ``url``, ``late_interaction``.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: an argument is not valid, or there is something at this place already.
        """
        kept = path is not None or options.get("url") not in (None, ":memory:")
        encoder = encoder_of(embedding, identity, batch_size=batch_size, kept=kept)
        return cls(HybridIndex.create(path, encoder=encoder, **options))

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        embedding: Any = None,
        *,
        identity: str | None = None,
        batch_size: int | None = None,
        read_only: bool | None = None,
        **options: Any,
    ) -> Self:
        """A store over the index that is there.

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
            options: those of `hybridge.HybridIndex.open`, like ``url``.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: there is no index, it was made with other embeddings, or it is open
                for writing already and ``read_only=False``.
        """
        encoder = None
        if any(given is not None for given in (embedding, identity, batch_size)):
            encoder = encoder_of(embedding, identity, batch_size=batch_size)
        return cls(HybridIndex.open(path, encoder=encoder, read_only=read_only, **options))

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
                ``content_payload_key``, ``metadata_payload_key``, ``layout`` where LlamaIndex
                wrote it, ``api_key``, ``analyzer``, ``batch_size``, and ``writable=True`` to let
                documents be added and deleted.

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
        return cls.from_documents(documents_of(texts, metadatas, ids), embedding, **options)

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
        passages = passages_of(documents, ids)
        store = cls.create(embedding, **options)
        try:
            store.index.add(passages)
        except BaseException:
            store.index.close()
            raise
        return store
