"""Named retrievers of one stage: BM25 alone, ColBERT alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from llama_index.core.schema import BaseNode

import hybridge

from .making import MadeOfNodes
from .nodes import passages_of

__all__ = ["BM25Retriever", "ColBERTRetriever"]


class BM25Retriever(MadeOfNodes):
    """BM25 alone: no model, no store; options are those of `HybridgeRetriever`.

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
        **options: Any,
    ) -> Self:
        """A retriever over these nodes, in memory.

        Args:
            nodes: what can be found.
            analyzer: a language like ``"german"``, a function from a text to its terms, or a
                `hybridge.Analyzer`; None for English.
            method: the variant of BM25, as for `hybridge.BM25Retriever`.
            k1: how slowly a term's further occurrences stop counting.
            b: how much a node's length counts.
            options: those of `HybridgeRetriever`.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: a node or an argument is not valid.
        """
        cls._check_options(**options)
        bm25 = hybridge.BM25Retriever(
            passages_of(nodes), analyzer=analyzer, method=method, k1=k1, b=b
        )
        return cls(bm25, **options)


class ColBERTRetriever(MadeOfNodes):
    """ColBERT alone, over all nodes, in a PLAID index; needs ``hybridge[colbert]``.

    Options are those of `HybridgeRetriever`.
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
        """A retriever over a new PLAID index of these nodes.

        Args:
            nodes: what can be found.
            model: a ColBERT checkpoint, as for `hybridge.colbert.ColBERTRetriever.create`.
            path: a missing or empty folder for the index; without it, a temporary one.
            overwrite: replace an index that is in the folder.
            options: those of `HybridgeRetriever`.

        Raises:
            TypeError: an option that there is not; nothing was written.
            MissingExtraError: RAGatouille is not installed.
            HybridgeError: a node or an argument is not valid.
        """
        from hybridge import colbert

        cls._check_options(**options)
        index = colbert.ColBERTRetriever.create(
            path, passages_of(nodes), model=model, overwrite=overwrite
        )
        return cls(index, **options)
