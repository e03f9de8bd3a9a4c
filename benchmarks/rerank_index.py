"""SciFact in an index, with token vectors or without; every passage's vectors are looked up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corpus import Corpus
from hybridge import CallableEncoder, HybridIndex
from hybridge.colbert import MultiVectorTokenEncoder
from rerank_tokens import CachedTokens

__all__ = ["hybrid_index", "kept_tokens"]


def kept_tokens(cache: Path) -> CachedTokens:
    """What ``late_interaction=True`` keeps: a vector for every second token of the bi-encoder."""
    return CachedTokens(MultiVectorTokenEncoder(pool_factor=2), cache)


def hybrid_index(corpus: Corpus, tokens: CachedTokens | None = None) -> HybridIndex:
    """An index of the corpus, temporary; queries' token vectors are encoded, the rest is not."""

    def encode_queries(queries: Sequence[str]) -> Any:
        return np.stack([corpus.query_vectors[query] for query in queries])

    dimension = corpus.vectors.shape[1]
    index = HybridIndex.create(
        encoder=CallableEncoder(encode_queries, dimension=dimension, identity="lookup"),
        late_interaction=tokens,
    )
    index.add(corpus.passages, vectors=corpus.vectors, progress=False)
    return index
