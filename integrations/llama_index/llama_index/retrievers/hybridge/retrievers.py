"""The retrievers: over a hybrid index or any retriever of Hybridge, BM25 alone, ColBERT alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.indices.vector_store import VectorStoreIndex
from llama_index.core.schema import BaseNode, QueryBundle

import hybridge
from hybridge import HybridIndex
from hybridge.encoders import query_cache
from hybridge.interop import FutureIndex, SearchConfig, connection_options

from .base import CoreRetriever
from .filters import AnyFilters, where_of
from .indexes import attached, index_of, index_of_nodes
from .nodes import passages_of
from .searching import search_text_of

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

    from hybridge.stages import Stage
    from hybridge.vectors import Layout

__all__ = ["BM25Retriever", "ColBERTRetriever", "HybridgeRetriever"]


class HybridgeRetriever(CoreRetriever):
    """LlamaIndex's retriever over a hybrid index, or any other retriever of Hybridge.

    A `HybridgeQuery` brings its own filters and number of nodes. Each stage of a search emits
    events (`StageStartEvent`, `StageEndEvent`), and stands in the `trace` of each node. It is a
    retriever of Hybridge too: `search` and `asearch` return hits, for an evaluation or a
    `Pipeline`, and do not go on to objects.

    Args:
        retriever: a `hybridge.HybridIndex`; anything else with `search` and `asearch`; or another
            retriever of LlamaIndex.
        weights: one a stage, instead of the index's, like ``{"bm25": 0.3, "dense": 0.7}``.
        fusion: a method's name or object, instead of the index's own.
        depth: candidates each stage contributes, instead of the index's own.
        late_interaction_weight: late interaction's share in the score, instead of the index's own.
        spelling: False leaves words of a query that no node has as they are; see
            `hybridge.spelling`.
        query_syntax: True reads phrases in quotes, ``+must`` and ``-not`` in queries; see
            `hybridge.query_syntax`. Rerankers then read plain text.
        scope: filters like ``filters``, which those of a query narrow and cannot replace: of a
            tenant, or of what a user may read. See `hybridge.scope`.
        expansion: searches other texts beside the query: ``rephrasings(llm)``,
            ``hypothetical_passages(llm)`` or ``sub_questions(llm)`` of `hybridge.language_models`,
            with an LLM; or a function from a query to a list of texts.
        settings: those of every retriever here. ``similarity_top_k``, 2 by default: nodes a query
            gets at most. ``filters``: `MetadataFilters`, a dict like ``{"year": {"$gte": 2020}}``,
            or a `hybridge.filters.Filter`. ``rerankers``: rerankers of Hybridge, or postprocessors
            of `llama_index.postprocessor.hybridge`, whose own ``top_n`` and ``blend`` do not count
            here. ``rerank_depth``, 50: candidates that rerankers get. ``blend``, 0.5: a reranker's
            share in the score, from 0 to 1; the rest is the score before it. ``boosts``: put newer
            or chosen nodes first, by `hybridge.results.Decay` and ``Boost``. ``floor``: stage → the
            least of its own scores that a node needs, as ``{"dense": 0.3}``: where nothing is
            relevant, nothing is returned; see `hybridge.results.FlooredRetriever`. ``floor_of``:
            what is held to it, each ``"hit"``, or the ``"list"``: all nodes if one reaches it,
            otherwise none. ``score_threshold``: drop nodes that score below, in the last stage's
            own unit; it fits a reranker with a blend of 1, while a fusion's scores depend on their
            list, and need a ``floor``. ``distinct``: True leaves
            out nodes that are nearly the same as a better one, a number from 0 to 1 is the
            similarity from which on (0.8). ``group_by``: the metadata field whose values make
            groups; ``similarity_top_k`` then counts groups, and ``per_group``, 1, nodes of one at
            most. ``parents``: True, `NodeRelationship.PARENT`, or the metadata field with the id
            of a node's parent: the documents or parents of the nodes that are found are returned,
            put together of their nodes in the index; with ``window``, what is found with so many
            neighbors on each side; with ``merge``, a parent only where more than this share of its
            nodes is found. See `hybridge.results` for all of these. ``callback_manager``,
            ``objects``, ``object_map``, ``verbose``: as for any retriever of LlamaIndex.

    Raises:
        TypeError: an unknown setting.
        InvalidInputError: a value that is not valid.

    >>> from llama_index.core.schema import TextNode
    >>> nodes = [TextNode(text="Aspirin thins the blood."), TextNode(text="Bread needs yeast.")]
    >>> retriever = HybridgeRetriever.from_nodes(nodes, similarity_top_k=1)
    >>> retriever.retrieve("what makes blood thinner?")[0].text
    'Aspirin thins the blood.'
    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("1", "Cats sleep."), Passage("2", "Dogs run.")])
    >>> [found] = HybridgeRetriever(bm25, similarity_top_k=1).retrieve("sleeping cat")
    >>> found.node.node_id, found.text, list(found.trace)
    ('1', 'Cats sleep.', ['bm25'])
    """

    def __init__(
        self,
        retriever: Any,
        *,
        weights: Mapping[str, float] | None = None,
        fusion: Any = None,
        depth: int | None = None,
        late_interaction_weight: float | None = None,
        spelling: bool | None = None,
        query_syntax: bool | None = None,
        scope: AnyFilters = None,
        expansion: Any = None,
        **settings: Any,
    ) -> None:
        self._options = {
            "weights": weights,
            "fusion": fusion,
            "depth": depth,
            "late_interaction_weight": late_interaction_weight,
            "spelling": spelling,
            "query_syntax": query_syntax,
            "scope": where_of(scope),
            "expansion": expansion,
        }
        super().__init__(retriever, **settings)

    @classmethod
    def from_index(cls, index: Any, **options: Any) -> Self:
        """Return a retriever over a retriever of Hybridge; options as for the class."""
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
        synonyms: Any = None,
        late_interaction: Any = None,
        search_text: Any = None,
        stages: Sequence[Stage] | None = None,
        passage_cache: str | Path | bool = False,
        overwrite: bool = False,
        **options: Any,
    ) -> Self:
        """Return a retriever over a new hybrid index of these nodes.

        Args:
            nodes: the nodes to index.
            embed_model: a LlamaIndex embedding model, a model's name or folder, an encoder of
                Hybridge, or None for Hybridge's default model, which needs no key.
            path: a missing or empty folder for the index; without it, a temporary one.
            identity: names the embedding model and its settings, where it has no such name.
            analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
            synonyms: of words and phrases in queries, for BM25, as there.
            late_interaction: True scores candidates by stored token vectors too, as there.
            search_text: what is searched of a node, while the node is what is returned: a template
                such as ``"{title}\\n{text}"`` over metadata and text, or a function from a node to
                a string; None for ``{text}`` alone, which is what LlamaIndex embeds.
            stages: all stages of the index, such as those of `hybridge.preset`, in place of
                embed_model, analyzer, synonyms and late_interaction.
            passage_cache: keeps the vectors of the nodes for other indexes, as there.
            overwrite: replace an index that is in the folder.
            options: as for the class.

        Raises:
            TypeError: an unknown option; nothing was written.
            HybridgeError: a node or an argument is not valid.
        """
        cls._check_options(stages, **options)
        index = index_of_nodes(
            nodes,
            embed_model,
            path=path,
            identity=identity,
            analyzer=analyzer,
            synonyms=synonyms,
            late_interaction=late_interaction,
            search_text=search_text,
            stages=stages,
            passage_cache=passage_cache,
            overwrite=overwrite,
        )
        return cls(index, **options)

    @classmethod
    def from_vector_store_index(
        cls, index: VectorStoreIndex, embed_model: Any = None, **options: Any
    ) -> Self:
        """Return a retriever over the nodes of a `VectorStoreIndex`.

        Args:
            index: over a `HybridVectorStore`, whose index is searched as it is; over Qdrant, whose
                collection is attached to, and nothing written; or over LlamaIndex's store in
                memory, of which a temporary index is made, without embedding anything again.
            embed_model: the model it was made with; None for what the index itself names.
            options: as for the class; the objects that it goes on to are the index's by default.

        Raises:
            TypeError: an unknown option.
            HybridgeError: it is over another store, or the model is not its own.
        """
        own = getattr(getattr(index, "vector_store", None), "index", None)
        cls(own if isinstance(own, HybridIndex) else FutureIndex(), **options)
        searched = index_of(index, embed_model)
        return cls(searched, **{"object_map": index._object_map, **options})

    @classmethod
    def from_qdrant(
        cls,
        client_or_url: QdrantClient | AsyncQdrantClient | str | Sequence[str],
        collection: str,
        embed_model: Any = None,
        *,
        layout: Layout | None = None,
        api_key: str | None = None,
        analyzer: Any = None,
        synonyms: Any = None,
        search_text: Any = None,
        **options: Any,
    ) -> Self:
        """Return a retriever over a collection of LlamaIndex; nothing is written to it.

        Args:
            client_or_url: a `QdrantClient` or `AsyncQdrantClient`, which stays the caller's to
                close, or the url of a server, or several of one cluster.
            collection: the collection's name.
            embed_model: the model it was written with.
            layout: the collection's layout: None for LlamaIndex's `QdrantVectorStore`,
                `hybridge.vectors.PayloadLayout("page_content", "metadata")` for LangChain's.
            api_key: the key a protected server asks for, with a url.
            analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
            synonyms: of words and phrases in queries, for BM25, as there.
            search_text: what BM25 searches of a node, as for `from_nodes`.
            options: as for the class, and of the connection: ``timeout``, ``deadline``,
                ``headers``, ``verify``.

        Raises:
            TypeError: an unknown option.
            HybridgeError: there is no such collection, or the model is not its own.
        """
        connection = connection_options(options)
        cls._check_options(**options)
        index = attached(
            client_or_url,
            collection,
            embed_model,
            layout=layout,
            api_key=api_key,
            analyzer=analyzer,
            synonyms=synonyms,
            search_text=search_text,
            **connection,
        )
        return cls(index, **options)

    def _config_for(self, query: QueryBundle) -> SearchConfig:
        if not query.custom_embedding_strs or not isinstance(self._retriever, HybridIndex):
            return self._config
        # As LlamaIndex does for hypothetical answers: the mean of their vectors is searched.
        encoded = query_cache.encode(self._retriever.encoder, query.embedding_strs)
        vectors = encoded.mean(axis=0, keepdims=True)
        return replace(self._config, retriever=self._configured(vectors=vectors))


class BM25Retriever(CoreRetriever):
    """LlamaIndex's retriever over BM25 alone: no model, no store.

    Its settings are those of `HybridgeRetriever`, without the options of an index.

    >>> from llama_index.core.schema import TextNode
    >>> nodes = [TextNode(text="A cat sat."), TextNode(text="Two dogs ran.")]
    >>> BM25Retriever.from_nodes(nodes, similarity_top_k=1).retrieve("dog")[0].text
    'Two dogs ran.'
    """

    @classmethod
    def from_nodes(
        cls,
        nodes: Iterable[BaseNode],
        *,
        analyzer: Any = None,
        method: str = "lucene",
        k1: float = 1.2,
        b: float = 0.75,
        search_text: Any = None,
        fields: Mapping[str, int] | None = None,
        synonyms: Any = None,
        spelling: bool = True,
        query_syntax: bool = False,
        **options: Any,
    ) -> Self:
        """Return a retriever over these nodes, in memory.

        Args:
            nodes: the nodes to index.
            analyzer: a language like ``"german"``, a function from a text to its terms, or a
                `hybridge.Analyzer`; None for English.
            method: the variant of BM25, as for `hybridge.BM25Retriever`.
            k1: how slowly a term's further occurrences stop counting.
            b: how much a node's length counts.
            search_text: what is searched of a node, as for `HybridgeRetriever.from_nodes`.
            fields: instead, the fields that are searched, each with a boost from 1 to 100, as in
                ``{"title": 2, "text": 1}``: a field of boost 2 counts as if it were written twice.
                Keep the title out of the text by the node's ``excluded_embed_metadata_keys``.
            synonyms: of words and phrases in queries, as for `hybridge.BM25Retriever`.
            spelling: correct the words of a query that no node has; see `hybridge.spelling`.
            query_syntax: read phrases in quotes, ``+must`` and ``-not`` in queries; see
                `hybridge.query_syntax`. Rerankers then read plain text.
            options: as for the class.

        Raises:
            TypeError: an unknown option.
            HybridgeError: a node or an argument is not valid.
        """
        cls._check_options(**options)
        bm25 = hybridge.BM25Retriever(
            passages_of(nodes),
            analyzer=analyzer,
            method=method,
            k1=k1,
            b=b,
            search_text=search_text_of(search_text),
            fields=fields,
            synonyms=synonyms,
            spelling=spelling,
            query_syntax=query_syntax,
        )
        return cls(bm25, **options)


class ColBERTRetriever(CoreRetriever):
    """LlamaIndex's retriever over ColBERT alone, in a PLAID index; needs ``hybridge[colbert]``.

    Its settings are those of `HybridgeRetriever`, without the options of an index.
    """

    @classmethod
    def from_nodes(
        cls,
        nodes: Iterable[BaseNode],
        *,
        model: Any = None,
        path: str | Path | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> Self:
        """Return a retriever over a new PLAID index of these nodes.

        Args:
            nodes: the nodes to index.
            model: a ColBERT checkpoint, as for `hybridge.colbert.ColBERTRetriever.create`.
            path: a missing or empty folder for the index; without it, a temporary one.
            overwrite: replace an index that is in the folder.
            options: as for the class.

        Raises:
            TypeError: an unknown option; nothing was written.
            MissingExtraError: RAGatouille is not installed.
            HybridgeError: a node or an argument is not valid.
        """
        from hybridge import colbert

        cls._check_options(**options)
        index = colbert.ColBERTRetriever.create(
            path, passages_of(nodes), model=model, overwrite=overwrite
        )
        return cls(index, **options)
