"""LlamaIndex's `VectorStoreIndex` over a `HybridVectorStore`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from functools import wraps
from typing import Any

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.indices.vector_store import VectorIndexRetriever
from llama_index.core.schema import BaseNode
from llama_index.core.storage.docstore.types import BaseDocumentStore, RefDocInfo
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from hybridge import HybridIndex
from llama_index.retrievers.hybridge.caching import CachedEmbedding, VectorCache, keep_vectors

__all__ = ["HybridVectorStoreIndex", "index_over", "patch_from_vector_store"]


class HybridVectorStoreIndex(VectorStoreIndex):
    """A `VectorStoreIndex` whose store keeps all of its nodes; see `HybridVectorStore.as_index`."""

    def as_retriever(self, **kwargs: Any) -> BaseRetriever:
        """Like `VectorStoreIndex.as_retriever`, over all nodes of the store.

        LlamaIndex's own searches among index nodes and images alone as soon as there are some,
        because those are the only ones that it notes down over a store that keeps texts.
        """
        return VectorIndexRetriever(
            self,
            callback_manager=self._callback_manager,
            object_map=self._object_map,
            **kwargs,
        )

    def _get_node_with_embedding(
        self, nodes: Sequence[BaseNode], show_progress: bool = False
    ) -> list[BaseNode]:
        self._keep_vectors(nodes)
        return super()._get_node_with_embedding(nodes, show_progress)

    async def _aget_node_with_embedding(
        self, nodes: Sequence[BaseNode], show_progress: bool = False
    ) -> list[BaseNode]:
        await asyncio.to_thread(self._keep_vectors, nodes)
        return await super()._aget_node_with_embedding(nodes, show_progress)

    def _keep_vectors(self, nodes: Sequence[BaseNode]) -> None:
        """Keep the vectors of nodes that are about to be written again with the same text."""
        model, index = self._embed_model, getattr(self._vector_store, "index", None)
        if isinstance(model, CachedEmbedding) and isinstance(index, HybridIndex):
            stored = index.get([node.node_id for node in nodes])
            keep_vectors(model.cache, index, [each for each in stored if each is not None])

    @property
    def ref_doc_info(self) -> dict[str, RefDocInfo]:
        """The nodes of each document, by its id; reads all nodes."""
        return self.docstore.get_all_ref_doc_info() or {}


def index_over(
    store: BasePydanticVectorStore,
    docstore: BaseDocumentStore,
    embed_model: Any,
    cache: VectorCache,
    /,
    **options: Any,
) -> VectorStoreIndex:
    """Return an index over a store and its docstore.

    Args:
        store: an open store.
        docstore: the nodes of that store.
        embed_model: embeds queries and what is inserted.
        cache: vectors that are not to be made again.
        options: those of `VectorStoreIndex`.

    Raises:
        TypeError: an unknown option.
    """
    known = inspect.signature(VectorStoreIndex).parameters.keys() - _OURS
    if unknown := options.keys() - known:
        raise TypeError(f"as_index knows no option {min(unknown)!r}: use some of {sorted(known)}")
    model = embed_model
    if isinstance(model, BaseEmbedding) and not isinstance(model, CachedEmbedding):
        model = CachedEmbedding(model, cache)
    storage = StorageContext.from_defaults(vector_store=store, docstore=docstore)
    return HybridVectorStoreIndex(
        **{"nodes": [], **options}, embed_model=model, storage_context=storage
    )


# What `as_index` decides itself, and what swallows typos.
_OURS = {"embed_model", "storage_context", "index_struct", "kwargs"}


def patch_from_vector_store(store_class: type[Any]) -> None:
    """Let `VectorStoreIndex.from_vector_store` make what `as_index` makes, over stores of a class.

    It gives an index a new docstore and asks the vector store for none, so that what follows
    relationships between nodes finds nothing in ``index.docstore``, though the store has it all. It
    leaves a vector store no way to change that, and is therefore replaced by a function that calls
    it for every other store and for subclasses of the index. Doing so twice does nothing more.
    """
    original = VectorStoreIndex.__dict__["from_vector_store"].__func__
    if getattr(original, "store_class", None) is store_class:
        return

    @wraps(original)
    def from_vector_store(
        cls: type[VectorStoreIndex],
        vector_store: BasePydanticVectorStore,
        embed_model: Any = None,
        **kwargs: Any,
    ) -> VectorStoreIndex:
        index: VectorStoreIndex
        if cls is not VectorStoreIndex or not isinstance(vector_store, store_class):
            index = original(cls, vector_store, embed_model, **kwargs)
        else:
            kwargs.pop("storage_context", None)  # ignored there too
            index = vector_store.as_index(embed_model=embed_model, **kwargs)
        return index

    from_vector_store.store_class = store_class  # type: ignore[attr-defined]
    VectorStoreIndex.from_vector_store = classmethod(from_vector_store)  # type: ignore[arg-type,assignment]
