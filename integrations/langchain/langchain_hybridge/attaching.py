"""Collections that `langchain-qdrant`, or LlamaIndex, wrote: read as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from hybridge import HybridIndex
from hybridge.errors import InvalidInputError

from .embeddings import encoder_of
from .layouts import LangChainLayout
from .searching import search_text_of

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

    from hybridge.vectors import ConnectionOptions, Layout

__all__ = ["attached"]


def attached(
    client_or_url: QdrantClient | AsyncQdrantClient | str | Sequence[str],
    collection: str,
    embedding: Any = None,
    *,
    layout: Layout | None = None,
    api_key: str | None = None,
    content_payload_key: str = "page_content",
    metadata_payload_key: str = "metadata",
    vector_name: str | None = None,
    analyzer: Any = None,
    synonyms: Any = None,
    search_text: Any = None,
    batch_size: int | None = None,
    writable: bool = False,
    **options: Unpack[ConnectionOptions],
) -> HybridIndex:
    """Return an index over a collection of a `QdrantVectorStore`, by default for reading only.

    Its texts are read once, for BM25; `HybridIndex.refresh` reads them again.

    Args:
        client_or_url: a `QdrantClient` or `AsyncQdrantClient`, which stays the caller's to close,
            or the url of a server, or several of one cluster.
        collection: the store's ``collection_name``.
        embedding: the store's embeddings, or the same model for Hybridge to load.
        layout: the collection's layout, if LangChain did not write it, for example
            `llama_index.retrievers.hybridge.LlamaIndexLayout()`.
        api_key: the key a protected server asks for, with a url.
        content_payload_key: the store's own.
        metadata_payload_key: the store's own; "" where the metadata are the keys beside the text's.
        vector_name: the store's own; None for the only dense vector there is.
        analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
        synonyms: of words and phrases in queries, for BM25, as there.
        search_text: what BM25 searches of a document, and what is embedded of an added one, as for
            `langchain_hybridge.HybridgeRetriever.from_documents`.
        batch_size: how many texts LangChain's `Embeddings` get at most in one call; None for 128.
        writable: let documents be added and deleted, as the store would.
        options: of the connection: `timeout`, `deadline`, `headers`, `verify`, see
            `hybridge.HybridIndex.create`.

    Raises:
        HybridgeError: there is no such collection or vector, or the embeddings are of another
            length than its vectors.
    """
    own = LangChainLayout(content_payload_key, metadata_payload_key, vector_name)
    if layout is not None and own != LangChainLayout(vector=None):
        raise InvalidInputError(
            "content_payload_key, metadata_payload_key and vector_name are of LangChain's layout: "
            "set them in the layout"
        )
    return HybridIndex.attach(
        client_or_url,
        collection,
        layout=own if layout is None else layout,
        encoder=encoder_of(embedding, batch_size=batch_size, persistent=False),
        api_key=api_key,
        analyzer=analyzer,
        synonyms=synonyms,
        search_text=search_text_of(search_text),
        writable=writable,
        **options,
    )
