"""`HybridVectorStore`: a hybrid index where LlamaIndex wants a vector store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import ConfigDict, PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from hybridge import HybridIndex
from hybridge.errors import InvalidInputError
from hybridge.filters import And, Eq, Filter, IdIn
from hybridge.interop import is_persistent
from llama_index.retrievers.hybridge.caching import CachedEmbedding, VectorCache, keep_vectors
from llama_index.retrievers.hybridge.copying import PickledWhole
from llama_index.retrievers.hybridge.embeddings import embed_model_of, encoder_of
from llama_index.retrievers.hybridge.filters import AnyFilters, where_of
from llama_index.retrievers.hybridge.indexes import attached
from llama_index.retrievers.hybridge.nodes import embeddings_of, node_of, passages_of
from llama_index.retrievers.hybridge.searching import search_text_of

from .docstore import HybridDocumentStore
from .indexes import index_over
from .searches import answered

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = ["HybridVectorStore"]

_NO_DOCUMENT = "None"  # what LlamaIndex writes for a node that is no part of a document


class HybridVectorStore(PickledWhole, BasePydanticVectorStore):
    """LlamaIndex's vector store over a hybrid index.

    The query mode ``"default"`` searches by vectors, ``"sparse"`` by BM25, ``"hybrid"`` by both
    (``alpha`` is the vectors' share), ``"mmr"`` by vectors, preferring what is unlike.

    Args:
        index: an open index; see `create`, `open` and `from_qdrant` for its constructors.

    Raises:
        InvalidInputError: something that is no `HybridIndex`.

    >>> from llama_index.core import MockEmbedding
    >>> from llama_index.core.schema import TextNode
    >>> store = HybridVectorStore.create(MockEmbedding(embed_dim=8))
    >>> nodes = [TextNode(text="Bread needs yeast."), TextNode(text="Blood clots.")]
    >>> retriever = store.as_index(nodes=nodes).as_retriever(vector_store_query_mode="sparse")
    >>> [found.text for found in retriever.retrieve("why does blood clot?")]
    ['Blood clots.']
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    stores_text: bool = True
    is_embedding_query: bool = True
    _index: HybridIndex = PrivateAttr()
    _vectors: VectorCache = PrivateAttr(default_factory=VectorCache)

    def __init__(self, index: HybridIndex) -> None:
        if not isinstance(index, HybridIndex):
            raise InvalidInputError(
                f"a HybridVectorStore needs a HybridIndex, not a {type(index).__name__}: "
                "HybridVectorStore.create(embed_model) makes one"
            )
        super().__init__(stores_text=True)
        self._index = index

    @classmethod
    def create(
        cls,
        embed_model: Any = None,
        *,
        path: str | Path | None = None,
        identity: str | None = None,
        search_text: Any = None,
        **options: Any,
    ) -> Self:
        """Return a store over a new index.

        Args:
            embed_model: the model that the `VectorStoreIndex` embeds with, or what else Hybridge
                takes for an encoder.
            path: a missing or empty folder; without it, and a url, a temporary one.
            identity: names the model and its settings, where it has no such name.
            search_text: what is searched of a node: a template such as ``"{title}\\n{text}"`` over
                metadata and text, or a function from a node to a string; None for ``{text}``
                alone, which is what LlamaIndex embeds. A node that comes with an embedding, as from
                a `VectorStoreIndex`, keeps it.
            options: those of `hybridge.HybridIndex.create`, like ``url``, ``client``,
                ``late_interaction``, ``passage_cache``, or ``stages`` in place of a model.

        Raises:
            TypeError: an unknown option.
            HybridgeError: an argument is not valid, or there is something at this place already.
        """
        encoder = None
        if embed_model is not None or identity is not None or options.get("stages") is None:
            cache = options.get("passage_cache", False)
            persistent = is_persistent(path, options.get("url"), cache, options.get("client"))
            encoder = encoder_of(embed_model, identity, persistent=persistent)
        text = search_text_of(search_text)
        return cls(HybridIndex.create(path, encoder=encoder, search_text=text, **options))

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        embed_model: Any = None,
        *,
        read_only: bool | None = None,
        identity: str | None = None,
        search_text: Any = None,
        **options: Any,
    ) -> Self:
        """Return a store over an existing index.

        Args:
            path: its folder.
            embed_model: the model it was made with; None where that was one of
                sentence-transformers by name, which the index loads itself.
            read_only: True opens a copy of its state for searching, beside any writer, which
                ``store.index.refresh()`` follows; False opens it for writing; None for writing if
                possible, else read-only, which is logged.
            identity: as for `create`.
            search_text: as for `create`; None where it was a template, which the index keeps.
            options: those of `hybridge.HybridIndex.open`, like ``url`` and ``client``.

        Raises:
            TypeError: an unknown option.
            HybridgeError: there is no index, it is open already, or it was made with another model.
        """
        encoder = None if embed_model is None else encoder_of(embed_model, identity)
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
        embed_model: Any = None,
        **options: Any,
    ) -> Self:
        """Return a store over a collection that LlamaIndex, or LangChain, wrote.

        Args:
            client_or_url: a `QdrantClient` or `AsyncQdrantClient`, which stays the caller's to
                close, or the url of a server, or several of one cluster.
            collection: its name.
            embed_model: the model it was written with.
            options: those of `llama_index.retrievers.hybridge.indexes.attached`: ``layout``,
                ``api_key``, ``analyzer``, ``synonyms``, ``search_text``, ``timeout`` and the like
                of the connection, and ``writable=True`` to let nodes be added and deleted.

        Raises:
            TypeError: an unknown option.
            HybridgeError: there is no such collection, or the model is not its own.
        """
        return cls(attached(client_or_url, collection, embed_model, **options))

    @property
    def client(self) -> HybridIndex:
        """The index, as LlamaIndex calls it."""
        return self._index

    @property
    def index(self) -> HybridIndex:
        """The index."""
        return self._index

    def close(self) -> None:
        """Close the index; closing again does nothing."""
        self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @classmethod
    def class_name(cls) -> str:
        return "HybridVectorStore"

    @property
    def embed_model(self) -> BaseEmbedding:
        """The model that makes the index's vectors, for a `VectorStoreIndex` or a pipeline."""
        return embed_model_of(self._index.encoder)

    @property
    def cached_embed_model(self) -> BaseEmbedding:
        """The same, but it does not embed again what was in a document deleted a moment ago.

        LlamaIndex updates a document by deleting it and inserting it again, as other nodes; with
        this model only texts that changed are embedded. The last 64 MiB of vectors are kept.
        """
        return CachedEmbedding(self.embed_model, self._vectors)

    @property
    def docstore(self) -> HybridDocumentStore:
        """The store's nodes as a docstore, for what follows relationships from node to node."""
        return HybridDocumentStore(self)

    def as_index(self, *, embed_model: Any = None, **options: Any) -> VectorStoreIndex:
        """Return a `VectorStoreIndex` over this store, with its model and its docstore.

        Its `refresh_ref_docs` leaves unchanged documents alone, in a new process too, and embeds
        only what changed in others. ``VectorStoreIndex.from_vector_store(store)`` makes the same.

        Args:
            embed_model: instead of the store's own; it must make the same vectors.
            options: those of `VectorStoreIndex`, like ``transformations``.

        Raises:
            TypeError: an unknown option.

        >>> from llama_index.core import Document, MockEmbedding
        >>> index = HybridVectorStore.create(MockEmbedding(embed_dim=8)).as_index()
        >>> index.refresh_ref_docs([Document(id_="d", text="Bread needs yeast.")])
        [True]
        >>> index.refresh_ref_docs([Document(id_="d", text="Bread needs yeast.")])
        [False]
        """
        model = self.embed_model if embed_model is None else embed_model
        return index_over(self, self.docstore, model, self._vectors, **options)

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Add nodes; one whose id is there already replaces it.

        Args:
            nodes: their embeddings are kept; where one has none, the index's own model makes all.
            kwargs: none: there are no options.

        Returns:
            their ids.

        Raises:
            TypeError: an option.
            HybridgeError: a node is not valid, or an id comes twice; nothing was written.
        """
        _refuse(kwargs)
        passages = passages_of(nodes)
        self._index.add(passages, vectors=embeddings_of(nodes))
        return [passage.id for passage in passages]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document.

        Raises:
            TypeError: an option.
            InvalidInputError: no id of a document.
        """
        _refuse(delete_kwargs)
        if not isinstance(ref_doc_id, str) or ref_doc_id in ("", _NO_DOCUMENT):
            raise InvalidInputError(f"delete needs the id of a document, not {ref_doc_id!r}")
        where = Eq(("ref_doc_id",), ref_doc_id)
        keep_vectors(self._vectors, self._index, self._index.matching(where))
        self._index.delete(where=where)

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Return the nodes of these ids, and that pass the filters; all of them without either."""
        chosen = _chosen(node_ids, filters)
        if node_ids is not None:
            found = self._index.get(node_ids)
            passages = [passage for passage in found if passage is not None]
        else:
            passages = list(self._index) if chosen is None else self._index.matching(chosen)
        return [
            node_of(passage) for passage in passages if chosen is None or chosen.matches(passage)
        ]

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete the nodes of these ids and that pass the filters; `clear` deletes all.

        Raises:
            TypeError: an option.
            InvalidInputError: neither was given.
        """
        _refuse(delete_kwargs)
        chosen = _chosen(node_ids, filters)
        if chosen is None:
            raise InvalidInputError("delete_nodes needs node_ids or filters; clear() deletes all")
        self._index.delete(where=chosen)

    def clear(self) -> None:
        """Delete all nodes."""
        self._index.delete(where={})

    def query(
        self, query: VectorStoreQuery, *, mmr_threshold: float | None = None, **kwargs: Any
    ) -> VectorStoreQueryResult:
        """Return the results of a search.

        Args:
            query: its mode, vector, text, filters and so on.
            mmr_threshold: instead of the query's own, which `VectorIndexRetriever` cannot set.
            kwargs: none: there are no further options.

        Raises:
            TypeError: an unknown option.
            InvalidInputError: an unknown mode, or one that lacks the vector or the text that
                it searches by.
        """
        _refuse(kwargs)
        if mmr_threshold is not None:
            query = replace(query, mmr_threshold=mmr_threshold)
        return answered(self._index, query)

    def persist(self, persist_path: str, fs: Any = None) -> None:
        """Do nothing: the index keeps itself in its folder.

        Raises:
            InvalidInputError: it is temporary, and would be lost.
        """
        if self._index.is_temporary:
            raise InvalidInputError(
                "this store is temporary: create it with path=..., where it keeps itself, and open "
                "it again with HybridVectorStore.open"
            )

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """`add` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """`delete` in a thread."""
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """`get_nodes` in a thread."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """`delete_nodes` in a thread."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    async def aclear(self) -> None:
        """`clear` in a thread."""
        await asyncio.to_thread(self.clear)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """`query` in a thread."""
        return await asyncio.to_thread(self.query, query, **kwargs)


def _chosen(node_ids: Sequence[str] | None, filters: AnyFilters) -> Filter | None:
    parts: list[Filter] = [IdIn(node_ids)] if node_ids is not None else []
    where = where_of(filters)
    parts += [where] if where is not None else []
    return And(*parts) if parts else None


def _refuse(options: dict[str, Any]) -> None:
    if options:
        raise TypeError(f"HybridVectorStore knows no option {min(options)!r}")
