"""`HybridVectorStore`: a hybrid index where LangChain wants a vector store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from hybridge import Hit
from hybridge.diversity import DiverseRetriever
from hybridge.errors import InvalidInputError

from .batches import Where
from .documents import document_of, documents_of, passages_of
from .embeddings import embeddings_of
from .making import StoreMaking
from .relevance import RelevanceRetriever
from .retriever import HybridgeRetriever
from .retrievers import HybridRetriever
from .searches import StoreSearches

__all__ = ["HybridVectorStore"]


class HybridVectorStore(StoreMaking, StoreSearches):
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

    def close(self) -> None:
        """Close the index; closing again does nothing."""
        self.index.close()

    def refresh(self) -> None:
        """Follow what others wrote since the index was opened, see `hybridge.HybridIndex.refresh`.

        That is for a store that was opened with ``read_only=True``, and for one that is attached
        to a collection. Any other is always up to date.
        """
        self.index.refresh()

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
        current_time: object = None,
    ) -> list[str]:
        """Add documents; one whose id is there already replaces it.

        One whose text is what it was keeps its vectors: the embeddings are not asked again.

        Args:
            documents: with metadata that JSON can hold.
            ids: one a document, instead of the documents' own; one without any gets one.
            batch_size: how many texts the embeddings get at most in one call, for a server that
                refuses larger requests; None leaves it to the embeddings.
            current_time: not used: `TimeWeightedVectorStoreRetriever` passes it on to its store.

        Returns:
            the ids, in the order of the documents.

        Raises:
            HybridgeError: a document is not valid, or an id comes twice; nothing was written.
        """
        passages = passages_of(documents, ids)
        self.index.add(passages, batch_size=batch_size)
        return [passage.id for passage in passages]

    def add_texts(  # type: ignore[override]
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """Add texts, as `add_documents` adds documents.

        Args:
            texts: what can be found.
            metadatas: one a text.
            ids: one a text; those that are None are given.
            batch_size: as for `add_documents`.

        Raises:
            HybridgeError: not one of each a text, or what `add_documents` raises.
        """
        return self.add_documents(documents_of(texts, metadatas, ids), batch_size=batch_size)

    async def aadd_texts(  # type: ignore[override]
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """`add_texts` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(
            self.add_texts, texts, metadatas, ids=ids, batch_size=batch_size
        )

    async def aadd_documents(  # type: ignore[override]
        self,
        documents: Iterable[Document],
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
        current_time: object = None,
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
        """A retriever over this store: a `HybridRetriever`, a diverse one, or one by relevance.

        Args:
            search_type: ``"similarity"``, ``"mmr"`` or ``"similarity_score_threshold"``, which
                searches as `similarity_search_with_relevance_scores` does.
            search_kwargs: ``k`` and ``filter``; for ``"mmr"`` also ``fetch_k`` and
                ``lambda_mult``; for ``"similarity_score_threshold"`` also ``score_threshold``,
                from 0 to 1, which has to be given.
            settings: fields of the retriever, like ``rerankers`` or ``tags``. Its field
                ``score_threshold`` is another threshold, in the unit of the last stage.

        Raises:
            ValueError: another search type, a keyword that there is not, or a threshold that is
                none.
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
            if options.get("score_threshold") is None:
                raise InvalidInputError(
                    "search_type='similarity_score_threshold' needs search_kwargs={"
                    "'score_threshold': …}, a number from 0 to 1"
                )
            threshold = options.pop("score_threshold")
            relevant = RelevanceRetriever(self.index, score_threshold=threshold)
            return HybridgeRetriever(retriever=relevant, **options, **settings)
        raise InvalidInputError(
            "search_type must be 'similarity', 'mmr' or 'similarity_score_threshold', not "
            f"{search_type!r}"
        )


_DIVERSE = {"fetch_k", "lambda_mult"}
