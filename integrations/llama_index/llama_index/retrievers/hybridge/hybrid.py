"""`HybridRetriever`: an index that is searched by BM25 and a bi-encoder together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.indices.vector_store import VectorStoreIndex
from llama_index.core.schema import BaseNode, QueryBundle

from hybridge import HybridIndex, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.index.tuned import TunedIndex, check_tuning

from .attaching import attached, index_of
from .building import built
from .making import MadeOfNodes

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

    from hybridge.vectors import Layout

__all__ = ["HybridRetriever"]


class HybridRetriever(MadeOfNodes):
    """BM25 and a bi-encoder together, and late interaction where the index keeps its vectors.

    Args:
        index: a `hybridge.HybridIndex`.
        weights: instead of the index's own, like ``{"bm25": 0.3, "dense": 0.7}``.
        fusion: a method's name or object, instead of the index's own.
        depth: candidates each stage contributes, instead of the index's own.
        late_blend: late interaction's share in the score, instead of the index's own.
        options: the further arguments of `HybridgeRetriever`, like ``similarity_top_k``.

    Raises:
        TypeError: an option that there is not.
        InvalidInputError: a value that is not valid.

    >>> from llama_index.core.schema import TextNode
    >>> nodes = [TextNode(text="Aspirin thins the blood."), TextNode(text="Bread needs yeast.")]
    >>> retriever = HybridRetriever.from_nodes(nodes, similarity_top_k=1)
    >>> retriever.retrieve("what makes blood thinner?")[0].text
    'Aspirin thins the blood.'
    """

    def __init__(
        self,
        index: HybridIndex,
        *,
        weights: Mapping[str, float] | None = None,
        fusion: Any = None,
        depth: int | None = None,
        late_blend: float | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(index, HybridIndex):
            raise InvalidInputError(
                f"a HybridRetriever searches a HybridIndex, not a {type(index).__name__}: "
                "HybridgeRetriever searches any retriever"
            )
        self._tuning = check_tuning(weights=weights, fusion=fusion, depth=depth, blend=late_blend)
        super().__init__(index, **options)

    @classmethod
    def _check_options(
        cls,
        *,
        weights: Mapping[str, float] | None = None,
        fusion: Any = None,
        depth: int | None = None,
        late_blend: float | None = None,
        **options: Any,
    ) -> None:
        check_tuning(weights=weights, fusion=fusion, depth=depth, blend=late_blend)
        super()._check_options(**options)

    @classmethod
    def from_index(cls, index: HybridIndex, **options: Any) -> Self:
        """A retriever over an index of Hybridge; options as for the class."""
        return cls(index, **options)

    @classmethod
    def from_nodes(
        cls,
        nodes: Iterable[BaseNode],
        embed_model: Any = None,
        *,
        path: str | Path | None = None,
        identity: str | None = None,
        analyzer: Any = None,
        late_interaction: Any = None,
        overwrite: bool = False,
        **options: Any,
    ) -> Self:
        """A retriever over a new hybrid index of these nodes.

        Args:
            nodes: what can be found.
            embed_model: a LlamaIndex embedding model, a model's name or folder, an encoder of
                Hybridge, or None for Hybridge's default model, which needs no key and no hub.
            path: a missing or empty folder for the index; without it, a temporary one.
            identity: names the embedding model and its settings, where it does not do so itself.
            analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
            late_interaction: True judges candidates by stored token vectors too, as there.
            overwrite: replace an index that is in the folder.
            options: as for the class.

        Raises:
            TypeError: an option that there is not; nothing was written.
            HybridgeError: a node or an argument is not valid.
        """
        cls._check_options(**options)
        index = built(
            nodes,
            embed_model,
            path=path,
            identity=identity,
            analyzer=analyzer,
            late_interaction=late_interaction,
            overwrite=overwrite,
        )
        return cls(index, **options)

    @classmethod
    def from_vector_store_index(
        cls, index: VectorStoreIndex, embed_model: Any = None, **options: Any
    ) -> Self:
        """A retriever over what is in a `VectorStoreIndex`.

        Args:
            index: over a `HybridVectorStore`, whose index is searched as it is; over Qdrant, whose
                collection is attached to, and nothing written; or over LlamaIndex's store in
                memory, of which a temporary index is made, without embedding anything again.
            embed_model: the model it was made with; None for what the index itself names.
            options: as for the class; the objects that it goes on to are the index's by default.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: it is over another store, or the model is not its own.
        """
        cls._check_options(**options)
        searched = index_of(index, embed_model)
        return cls(searched, **{"object_map": index._object_map, **options})

    @classmethod
    def from_qdrant(
        cls,
        client_or_url: QdrantClient | str,
        collection: str,
        embed_model: Any = None,
        *,
        layout: Layout | None = None,
        api_key: str | None = None,
        analyzer: Any = None,
        **options: Any,
    ) -> Self:
        """A retriever over a collection that LlamaIndex wrote, to which nothing is written.

        Args:
            client_or_url: a `QdrantClient`, which stays the caller's to close, or a server's url.
            collection: the collection's name.
            embed_model: the model it was written with.
            layout: who wrote it: None for LlamaIndex's `QdrantVectorStore`,
                `hybridge.vectors.LangChainLayout()` for LangChain's.
            api_key: the key a protected server asks for, with a url.
            analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
            options: as for the class.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: there is no such collection, or the model is not its own.
        """
        cls._check_options(**options)
        index = attached(
            client_or_url,
            collection,
            embed_model,
            layout=layout,
            api_key=api_key,
            analyzer=analyzer,
        )
        return cls(index, **options)

    def _engine(self) -> Any:
        return TunedIndex(self.retriever, self._tuning)

    def _pipeline_for(self, query: QueryBundle) -> Pipeline:
        if not query.custom_embedding_strs:
            return self._pipeline
        # As LlamaIndex has it for hypothetical answers: the mean of their vectors is searched.
        made = self.retriever.encoder.encode_queries(query.embedding_strs)
        vectors = made.mean(axis=0, keepdims=True)
        return self._pipeline_over(TunedIndex(self.retriever, {**self._tuning, "vectors": vectors}))
