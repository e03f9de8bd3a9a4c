"""Hybrid indexes of LlamaIndex's documents, nodes, collections and indexes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from llama_index.core.indices.vector_store import VectorStoreIndex
from llama_index.core.ingestion import run_transformations
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document, TransformComponent
from llama_index.core.vector_stores import SimpleVectorStore

from hybridge import HybridIndex
from hybridge.errors import InvalidInputError
from hybridge.interop import dense_vector_names, is_persistent, new_index
from hybridge.vectors import ConnectionOptions, Layout

from .embeddings import encoder_of
from .layouts import NodeLayout
from .nodes import check_nodes, passages_of
from .searching import search_text_of

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = ["attached", "index_of", "index_of_nodes", "nodes_of_documents"]


def nodes_of_documents(
    documents: Iterable[Document], transformations: Sequence[TransformComponent] | None = None
) -> list[BaseNode]:
    """Return the nodes that documents are split into.

    Args:
        documents: any number of them.
        transformations: node parsers and the like, one after another; None for LlamaIndex's own
            `SentenceSplitter`.

    >>> [node.get_content() for node in nodes_of_documents([Document(text="Bread needs yeast.")])]
    ['Bread needs yeast.']
    """
    steps = [SentenceSplitter()] if transformations is None else list(transformations)
    return list(run_transformations(check_nodes(documents), steps))


def index_of_nodes(
    nodes: Iterable[BaseNode],
    embed_model: Any = None,
    *,
    path: str | Path | None = None,
    vectors: Sequence[Sequence[float]] | None = None,
    identity: str | None = None,
    search_text: Any = None,
    **options: Any,
) -> HybridIndex:
    """Return a new hybrid index of these nodes.

    Args:
        nodes: the nodes to index.
        embed_model: a LlamaIndex embedding model, or what else `encoder_of` takes.
        path: a missing or empty folder; without it, a temporary one.
        vectors: one a node, if known.
        identity: names the embedding model and its settings, where it has no such name.
        search_text: what is searched of a node, as for `search_text_of`.
        options: those of `hybridge.HybridIndex.create`, like ``analyzer``.

    Raises:
        HybridgeError: a node or an argument is not valid.
    """
    passages = passages_of(nodes)
    encoder = None
    if embed_model is not None or identity is not None or options.get("stages") is None:
        cache = options.get("passage_cache", False)
        persistent = is_persistent(path, options.get("url"), cache, options.get("client"))
        encoder = encoder_of(embed_model, identity, persistent=persistent)
    text = search_text_of(search_text)
    return new_index(passages, path, encoder=encoder, vectors=vectors, search_text=text, **options)


def attached(
    client_or_url: QdrantClient | AsyncQdrantClient | str | Sequence[str],
    collection: str,
    embed_model: Any = None,
    *,
    layout: Layout | None = None,
    api_key: str | None = None,
    analyzer: Any = None,
    synonyms: Any = None,
    search_text: Any = None,
    writable: bool = False,
    **options: Unpack[ConnectionOptions],
) -> HybridIndex:
    """Return an index over a collection of a `QdrantVectorStore`, by default for reading only.

    Its texts are read once, for BM25; `HybridIndex.refresh` reads them again.

    Args:
        client_or_url: a `QdrantClient` or `AsyncQdrantClient`, which stays the caller's to close,
            or the url of a server, or several of one cluster.
        collection: the collection's name.
        embed_model: the model that it was written with, LlamaIndex's or for Hybridge to load.
        layout: the collection's layout: None for LlamaIndex's,
            `hybridge.vectors.PayloadLayout("page_content", "metadata")` for LangChain's.
        api_key: the key a protected server asks for, with a url.
        analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
        synonyms: of words and phrases in queries, for BM25, as there.
        search_text: what BM25 searches of a node, and what is embedded of an added one that has no
            embedding, as for `search_text_of`.
        writable: let nodes be added and deleted.
        options: of the connection: `timeout`, `deadline`, `headers`, `verify`, see
            `hybridge.HybridIndex.create`.

    Raises:
        HybridgeError: there is no such collection or vector, or the model's vectors are of another
            length than its.
    """
    return HybridIndex.attach(
        client_or_url,
        collection,
        layout=NodeLayout() if layout is None else layout,
        encoder=encoder_of(embed_model, persistent=False),
        api_key=api_key,
        analyzer=analyzer,
        synonyms=synonyms,
        search_text=search_text_of(search_text),
        writable=writable,
        **options,
    )


def index_of(index: VectorStoreIndex, embed_model: Any = None) -> HybridIndex:
    """Return a hybrid index over the nodes of a `VectorStoreIndex`.

    Args:
        index: over Hybridge's own store, whose index is returned; over a collection of Qdrant, to
            which an index is attached; or over LlamaIndex's store in memory, of whose nodes and
            vectors a temporary index is made.
        embed_model: the model that it was made with; None for the index's own.

    Raises:
        InvalidInputError: it is over another store.
    """
    if not isinstance(index, VectorStoreIndex):
        raise InvalidInputError(f"expected a VectorStoreIndex, not a {type(index).__name__}")
    store: Any = index.vector_store
    own = getattr(store, "index", None)
    if isinstance(own, HybridIndex):
        return own
    model = index._embed_model if embed_model is None else embed_model
    if store.class_name() == "QdrantVectorStore":
        client = _client_of(store)
        return attached(client, store.collection_name, model, layout=_layout_of(store, client))
    if isinstance(store, SimpleVectorStore):
        nodes = index.docstore.get_nodes(list(index.index_struct.nodes_dict.values()))
        return index_of_nodes(nodes, model, vectors=[store.get(node.node_id) for node in nodes])
    raise InvalidInputError(
        f"a {type(store).__name__} cannot be read by Hybridge: give the nodes to from_nodes, or "
        "the docstore to from_docstore"
    )


def _client_of(store: Any) -> QdrantClient | AsyncQdrantClient:
    client: QdrantClient | AsyncQdrantClient | None = getattr(store, "_client", None)
    if client is None:
        client = store._aclient
    assert client is not None
    return client


def _layout_of(store: Any, client: QdrantClient | AsyncQdrantClient) -> NodeLayout:
    # It gives its vector its own name even where the collection has only an unnamed one.
    name, text = store.dense_vector_name, store.text_key or NodeLayout.text
    has_name = name in dense_vector_names(client, store.collection_name)
    return NodeLayout(text, name) if has_name else NodeLayout(text)
