"""The retrievers: over a hybrid index or any retriever of Hybridge, BM25 alone, ColBERT alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.documents import Document
from pydantic import Field, ValidationInfo, field_validator

import hybridge
from hybridge.fusion import Fusion, get_fusion
from hybridge.interop import configured, connection_options, is_persistent, new_index

from .attaching import attached
from .base import CoreRetriever
from .documents import passages_of
from .embeddings import encoder_of
from .searching import search_text_of

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

    from hybridge.stages import Stage
    from hybridge.vectors import Layout

__all__ = ["BM25Retriever", "ColBERTRetriever", "HybridgeRetriever"]


class HybridgeRetriever(CoreRetriever):
    """LangChain's retriever over a hybrid index, or any other retriever of Hybridge.

    `invoke`, `ainvoke`, `batch` and `abatch` take ``k`` and ``filter``, which beat the fields. A
    batch is searched as a batch. Each stage of a search is a child run. It is a retriever of
    Hybridge too: `search` and `asearch` return hits, for an evaluation or a `Pipeline`.

    Args:
        retriever: a `hybridge.HybridIndex`; anything else with `search` and `asearch`; or another
            retriever of LangChain, whose documents need ids (see `BridgedRetriever`).
        k: documents a query gets at most.
        filter: only documents whose metadata pass, as a dict like ``{"year": {"$gte": 2020}}`` or
            as a `hybridge.filters.Filter`.
        weights: one a stage of the index, instead of its own, like ``{"bm25": 0.3, "dense": 0.7}``.
        fusion: a method's name or object, instead of the index's own.
        depth: candidates each stage contributes, instead of the index's own.
        late_interaction_weight: late interaction's share in the score, instead of the index's own.
        spelling: False leaves words of a query that no document has as they are; see
            `hybridge.spelling`.
        query_syntax: True reads phrases in quotes, ``+must`` and ``-not`` in queries; see
            `hybridge.query_syntax`. Rerankers then read plain text.
        scope: a filter like `filter`, which a call's filter narrows and cannot replace: of a
            tenant, or of what a user may read. See `hybridge.scope`.
        expansion: searches other texts beside the query: ``rephrasings(llm)``,
            ``hypothetical_passages(llm)`` or ``sub_questions(llm)`` of `hybridge.language_models`,
            with a chat model or LLM; or a function from a query to a list of texts.
        rerankers: rerank what the retriever found, one after another: `CrossEncoderReranker`,
            `ColBERTReranker`, or any reranker of Hybridge.
        rerank_depth: candidates that rerankers get, never fewer than `k`.
        blend: a reranker's share in the score, from 0 to 1; the rest is the score before it.
        boosts: put newer or chosen documents first, by `hybridge.results.Decay` and ``Boost``.
        floor: stage → the least of its own scores that a document needs, as ``{"dense": 0.3}``:
            where nothing is relevant, nothing is returned; see `hybridge.results.FlooredRetriever`.
        floor_of: what is held to the floor, each ``"hit"``, or the ``"list"``: all documents if one
            reaches it, otherwise none.
        score_threshold: drop documents that score below, in the last stage's own unit. It fits a
            reranker with a blend of 1; a fusion's scores depend on their list, and need a `floor`.
        distinct: True leaves out documents that are nearly the same as a better one; a number from
            0 to 1 is the similarity from which on (0.8).
        group_by: the metadata field whose values make groups, such as ``"source"``: `k` then counts
            groups, see `hybridge.results.GroupedRetriever`.
        per_group: documents of one group at most (1).
        parents: the metadata field with the id of a document's parent, such as ``"doc_id"``: the
            parents of what is found are returned, put together of their children in the index; see
            `hybridge.results.ParentRetriever`.
        window: instead of parents, return what is found with so many neighbors on each side.
        merge: return a parent only where more than this share of its children is found.
        include_scores: put each document's score into its metadata, as ``relevance_score``.
        include_trace: put each stage's rank and score there too, under ``hybridge``.

    Raises:
        pydantic.ValidationError: an unknown field, or a value that is not valid.

    >>> documents = [Document("Aspirin thins the blood."), Document("Bread needs yeast.")]
    >>> retriever = HybridgeRetriever.from_documents(documents, k=1)
    >>> retriever.invoke("what makes blood thinner?")[0].page_content
    'Aspirin thins the blood.'
    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("1", "Cats sleep."), Passage("2", "Dogs run.")])
    >>> [document] = HybridgeRetriever(retriever=bm25, k=1).invoke("sleeping cat")
    >>> document.id, document.page_content
    ('1', 'Cats sleep.')
    """

    _option_names = (
        *CoreRetriever._option_names,
        "weights",
        "fusion",
        "depth",
        "late_interaction_weight",
        "spelling",
        "query_syntax",
        "scope",
        "expansion",
    )

    weights: dict[str, float] | None = None
    fusion: Any = None
    depth: int | None = Field(default=None, ge=1)
    late_interaction_weight: float | None = Field(default=None, ge=0, le=1)
    spelling: bool | None = None
    query_syntax: bool | None = None
    scope: Any = None
    expansion: Any = Field(default=None, exclude=True, repr=False)

    @field_validator(
        "weights",
        "fusion",
        "depth",
        "late_interaction_weight",
        "spelling",
        "query_syntax",
        "scope",
        "expansion",
    )
    @classmethod
    def _check_option(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and "retriever" in info.data:
            configured(info.data["retriever"], **{str(info.field_name): value})
        return value

    @field_validator("fusion")
    @classmethod
    def _as_fusion(cls, value: str | Fusion | None) -> Fusion | None:
        return value if value is None else get_fusion(value)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        embedding: Any = None,
        *,
        path: str | Path | None = None,
        identity: str | None = None,
        batch_size: int | None = None,
        analyzer: Any = None,
        synonyms: Any = None,
        late_interaction: Any = None,
        search_text: Any = None,
        stages: Sequence[Stage] | None = None,
        passage_cache: str | Path | bool = False,
        overwrite: bool = False,
        **settings: Any,
    ) -> Self:
        """Return a retriever over a new hybrid index of these documents.

        Args:
            documents: the documents to index. One without an id gets one.
            embedding: LangChain's `Embeddings`, a model's name or folder, an encoder of Hybridge,
                or None for Hybridge's default model.
            path: a missing or empty folder for the index; without it, a temporary one.
            identity: names the embeddings and their settings, where they have no such name.
            batch_size: how many texts LangChain's `Embeddings` get at most in one call, for a
                server that refuses larger requests; None for 128.
            analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
            synonyms: of words and phrases in queries, for BM25, as there.
            late_interaction: True scores candidates by stored token vectors too, as there.
            search_text: what is searched of a document, while its ``page_content`` is what is
                returned: a template such as ``"{title}\\n{page_content}"`` over text and
                metadata, or a function from a `Document` to a string; None for the text alone.
            stages: all stages of the index, such as those of `hybridge.preset`, in place of
                embedding, analyzer, synonyms and late_interaction.
            passage_cache: keeps the vectors of the documents for other indexes, as there.
            overwrite: replace an index that is in the folder.
            settings: the retriever's own fields, like ``k``.

        Raises:
            pydantic.ValidationError: an unknown field; nothing was written.
            HybridgeError: a document or an argument is not valid.
        """
        cls._check_settings(settings, stages)
        passages = passages_of(documents)
        encoder = None
        if stages is None or any(each is not None for each in (embedding, identity, batch_size)):
            persistent = is_persistent(path, passage_cache=passage_cache)
            encoder = encoder_of(embedding, identity, batch_size=batch_size, persistent=persistent)
        index = new_index(
            passages,
            path,
            encoder=encoder,
            stages=stages,
            passage_cache=passage_cache,
            analyzer=analyzer,
            synonyms=synonyms,
            late_interaction=late_interaction,
            search_text=search_text_of(search_text),
            overwrite=overwrite,
        )
        return cls(retriever=index, **settings)

    @classmethod
    def from_qdrant(
        cls,
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
        **settings: Any,
    ) -> Self:
        """Return a retriever over a collection of `langchain-qdrant`; nothing is written to it.

        Args:
            client_or_url: a `QdrantClient` or `AsyncQdrantClient`, which stays the caller's to
                close, or the url of a server, or several of one cluster.
            collection: the store's ``collection_name``.
            embedding: the store's embeddings, or the same model for Hybridge to load.
            layout: the collection's layout, if LangChain did not write it, for example
                `llama_index.retrievers.hybridge.LlamaIndexLayout()`.
            api_key: the key a protected server asks for, with a url.
            content_payload_key: the store's own.
            metadata_payload_key: the store's own.
            vector_name: the store's own; None for the only dense vector there is.
            analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
            synonyms: of words and phrases in queries, for BM25, as there.
            search_text: what BM25 searches of a document, as for `from_documents`.
            batch_size: how many texts LangChain's `Embeddings` get at most in one call; None for
                128.
            settings: the retriever's own fields, like ``k``, and options of the connection:
                ``timeout``, ``deadline``, ``headers``, ``verify``.

        Raises:
            pydantic.ValidationError: an unknown field.
            HybridgeError: there is no such collection or vector, or the embeddings are of another
                length than its vectors.
        """
        options = connection_options(settings)
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
            synonyms=synonyms,
            search_text=search_text,
            batch_size=batch_size,
            **options,
        )
        return cls(retriever=index, **settings)


class BM25Retriever(CoreRetriever):
    """LangChain's retriever over BM25 alone: no model, no store.

    Its fields are those of `HybridgeRetriever`, without the options of an index.

    >>> retriever = BM25Retriever.from_texts(["A cat sat.", "Two dogs ran."], k=1)
    >>> [document.page_content for document in retriever.invoke("dog")]
    ['Two dogs ran.']
    """

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
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
        **settings: Any,
    ) -> Self:
        """Return a retriever over these documents, in memory.

        Args:
            documents: the documents to index. One without an id gets one.
            analyzer: a language like ``"german"``, a function from a text to its terms, or a
                `hybridge.Analyzer`; None for English.
            method: the variant of BM25, as for `hybridge.BM25Retriever`.
            k1: how slowly a term's further occurrences stop counting.
            b: how much a document's length counts.
            search_text: what is searched of a document, as for `HybridgeRetriever`.
            fields: instead, the fields that are searched, each with a boost from 1 to 100, as in
                ``{"title": 2, "page_content": 1}``: a field of boost 2 counts as if it were
                written twice.
            synonyms: of words and phrases in queries, as for `hybridge.BM25Retriever`.
            spelling: correct the words of a query that no document has; see `hybridge.spelling`.
            query_syntax: read phrases in quotes, ``+must`` and ``-not`` in queries; see
                `hybridge.query_syntax`. Rerankers then read plain text.
            settings: the retriever's own fields, like ``k``.

        Raises:
            pydantic.ValidationError: an unknown field.
            HybridgeError: a document or an argument is not valid.
        """
        cls._check_settings(settings)
        bm25 = hybridge.BM25Retriever(
            passages_of(documents),
            analyzer=analyzer,
            method=method,
            k1=k1,
            b=b,
            search_text=search_text_of(search_text, fields),
            synonyms=synonyms,
            spelling=spelling,
            query_syntax=query_syntax,
        )
        return cls(retriever=bm25, **settings)


class ColBERTRetriever(CoreRetriever):
    """LangChain's retriever over ColBERT alone, in a PLAID index; needs ``hybridge[colbert]``.

    Its fields are those of `HybridgeRetriever`, without the options of an index.
    """

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        *,
        model: Any = None,
        path: str | Path | None = None,
        overwrite: bool = False,
        **settings: Any,
    ) -> Self:
        """Return a retriever over a new PLAID index of these documents.

        Args:
            documents: the documents to index. One without an id gets one.
            model: a ColBERT checkpoint, as for `hybridge.colbert.ColBERTRetriever.create`.
            path: a missing or empty folder for the index; without it, a temporary one.
            overwrite: replace an index that is in the folder.
            settings: the retriever's own fields, like ``k``.

        Raises:
            pydantic.ValidationError: an unknown field; nothing was written.
            MissingExtraError: RAGatouille is not installed.
            HybridgeError: a document or an argument is not valid.
        """
        from hybridge import colbert

        cls._check_settings(settings)
        index = colbert.ColBERTRetriever.create(
            path, passages_of(documents), model=model, overwrite=overwrite
        )
        return cls(retriever=index, **settings)
