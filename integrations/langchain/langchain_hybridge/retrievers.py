"""Named retrievers: hybrid, BM25 alone, ColBERT. Each reads like what it does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.documents import Document
from pydantic import Field, field_validator

import hybridge
from hybridge import HybridIndex
from hybridge.errors import InvalidInputError
from hybridge.fusion import Fusion, get_fusion
from hybridge.index.settings import check_stage_weights

from .attaching import attached
from .documents import passages_of
from .retriever import HybridgeRetriever

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

    from hybridge.vectors import Layout

__all__ = ["BM25Retriever", "ColBERTRetriever", "HybridRetriever"]


class HybridRetriever(HybridgeRetriever):
    """BM25 and a bi-encoder together, and late interaction where the index keeps its vectors.

    Args:
        retriever: a `hybridge.HybridIndex`. Further fields are those of `HybridgeRetriever`.
        weights: instead of the index's own, like ``{"bm25": 0.3, "dense": 0.7}``.
        fusion: a method's name or object, instead of the index's own.
        depth: candidates each stage contributes, instead of the index's own.
        late_blend: late interaction's share in the score, instead of the index's own.

    Raises:
        pydantic.ValidationError: a field that there is not, or a value that is not valid.

    >>> documents = [Document("Aspirin thins the blood."), Document("Bread needs yeast.")]
    >>> retriever = HybridRetriever.from_documents(documents, k=1, weights={"bm25": 1, "dense": 0})
    >>> [document.page_content for document in retriever.invoke("yeast for bread")]
    ['Bread needs yeast.']
    """

    weights: dict[str, float] | None = None
    fusion: Any = None
    depth: int | None = Field(default=None, ge=1)
    late_blend: float | None = Field(default=None, ge=0, le=1)

    @field_validator("retriever")
    @classmethod
    def _check_index(cls, value: Any) -> Any:
        if not isinstance(value, HybridIndex):
            raise InvalidInputError(
                f"a HybridRetriever searches a HybridIndex, not a {type(value).__name__}: "
                "HybridgeRetriever searches any retriever"
            )
        return value

    @field_validator("weights")
    @classmethod
    def _check_weights(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        return value if value is None else check_stage_weights(value)

    @field_validator("fusion")
    @classmethod
    def _check_fusion(cls, value: str | Fusion | None) -> str | Fusion | None:
        return value if value is None else get_fusion(value)

    @classmethod
    def from_qdrant(
        cls,
        client_or_url: QdrantClient | str,
        collection: str,
        embedding: Any = None,
        *,
        layout: Layout | None = None,
        api_key: str | None = None,
        content_payload_key: str = "page_content",
        metadata_payload_key: str = "metadata",
        vector_name: str | None = None,
        analyzer: Any = None,
        batch_size: int | None = None,
        **settings: Any,
    ) -> Self:
        """A retriever over a collection that `langchain-qdrant` wrote, to which nothing is written.

        Args:
            client_or_url: a `QdrantClient`, which stays the caller's to close, or a server's url.
            collection: the store's ``collection_name``.
            embedding: the store's embeddings, or the same model for Hybridge to load.
            layout: who wrote it, if not LangChain: `hybridge.vectors.LlamaIndexLayout()` for
                LlamaIndex's `QdrantVectorStore`.
            api_key: the key a protected server asks for, with a url.
            content_payload_key: as the store was told, or by default.
            metadata_payload_key: as the store was told, or by default.
            vector_name: as the store was told; None for the only dense vector there is.
            analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
            batch_size: how many texts LangChain's `Embeddings` get at most in one call; None for
                128.
            settings: the retriever's own fields, like ``k``.

        Raises:
            pydantic.ValidationError: a field that there is not.
            HybridgeError: there is no such collection or vector, or the embeddings are of another
                length than its vectors.
        """
        cls._check_settings(settings)
        index = attached(
            client_or_url,
            collection,
            embedding,
            layout=layout,
            api_key=api_key,
            content_payload_key=content_payload_key,
            metadata_payload_key=metadata_payload_key,
            vector_name=vector_name,
            analyzer=analyzer,
            batch_size=batch_size,
        )
        return cls(retriever=index, **settings)

    def _made_of(self) -> tuple[Any, ...]:
        weights = None if self.weights is None else tuple(self.weights.items())
        return (*super()._made_of(), weights, self.fusion, self.depth, self.late_blend)

    def _engine(self) -> Any:
        return self.retriever.tuned(
            weights=self.weights, fusion=self.fusion, depth=self.depth, blend=self.late_blend
        )


class BM25Retriever(HybridgeRetriever):
    """BM25 alone: no model, no store; the fields are those of `HybridgeRetriever`.

    >>> retriever = BM25Retriever.from_texts(["A cat sat.", "Two dogs ran."], k=1)
    >>> [document.page_content for document in retriever.invoke("dog")]
    ['Two dogs ran.']
    """

    @classmethod
    def from_documents(  # type: ignore[override]  # what BM25 is made with
        cls,
        documents: Iterable[Document],
        *,
        analyzer: Any = None,
        method: str = "lucene",
        k1: float = 1.2,
        b: float = 0.75,
        **settings: Any,
    ) -> Self:
        """A retriever over these documents, in memory.

        Args:
            documents: what can be found. One without an id gets one.
            analyzer: a language like ``"german"``, a function from a text to its terms, or a
                `hybridge.Analyzer`; None for English.
            method: the variant of BM25, as for `hybridge.BM25Retriever`.
            k1: how slowly a term's further occurrences stop counting.
            b: how much a document's length counts.
            settings: the retriever's own fields, like ``k``.

        Raises:
            pydantic.ValidationError: a field that there is not.
            HybridgeError: a document or an argument is not valid.
        """
        cls._check_settings(settings)
        bm25 = hybridge.BM25Retriever(
            passages_of(documents), analyzer=analyzer, method=method, k1=k1, b=b
        )
        return cls(retriever=bm25, **settings)


class ColBERTRetriever(HybridgeRetriever):
    """ColBERT alone, over all documents, in a PLAID index; needs ``hybridge[colbert]``.

    The fields are those of `HybridgeRetriever`.
    """

    @classmethod
    def from_documents(  # type: ignore[override]  # what ColBERT is made with
        cls,
        documents: Iterable[Document],
        *,
        model: Any = None,
        path: str | Path | None = None,
        overwrite: bool = False,
        **settings: Any,
    ) -> Self:
        """A retriever over a new PLAID index of these documents.

        Args:
            documents: what can be found. One without an id gets one.
            model: a ColBERT checkpoint, as for `hybridge.colbert.ColBERTRetriever.create`.
            path: a missing or empty folder for the index; without it, a temporary one.
            overwrite: replace an index that is in the folder.
            settings: the retriever's own fields, like ``k``.

        Raises:
            pydantic.ValidationError: a field that there is not; nothing was written.
            MissingExtraError: RAGatouille is not installed.
            HybridgeError: a document or an argument is not valid.
        """
        from hybridge import colbert

        cls._check_settings(settings)
        index = colbert.ColBERTRetriever.create(
            path, passages_of(documents), model=model, overwrite=overwrite
        )
        return cls(retriever=index, **settings)
