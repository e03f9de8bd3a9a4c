"""Late interaction token by token, as a model encodes both texts."""

from __future__ import annotations

import numpy as np

from ..colbert.naming import token_names
from ..colbert.tokens import TokenEncoder
from ..encoders.caching import query_cache
from .model import MaxSimPart

__all__ = ["encoded_max_sim"]


def encoded_max_sim(
    encoder: TokenEncoder,
    stage: str,
    query: str,
    text: str,
    score: float,
    rank: int | None,
) -> MaxSimPart:
    """Compare the tokens of a passage's text with those of the query, both encoded now."""
    [query_vectors] = query_cache.encode(encoder, [query])
    [passage_vectors] = encoder.encode_passages([text])
    return MaxSimPart(
        stage=stage,
        query_tokens=tuple(token_names(encoder, query, len(query_vectors), is_query=True)),
        passage_tokens=tuple(token_names(encoder, text, len(passage_vectors), is_query=False)),
        matrix=(query_vectors @ passage_vectors.T).astype(np.float64),
        score=score,
        rank=rank,
    )
