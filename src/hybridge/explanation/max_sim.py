"""Late interaction token by token, as a model encodes both texts."""

from __future__ import annotations

import numpy as np

from ..colbert.naming import token_names
from ..colbert.tokens import TokenEncoder
from ..passages import Passage
from .parts import MaxSimPart

__all__ = ["encoded_max_sim"]


def encoded_max_sim(
    encoder: TokenEncoder,
    stage: str,
    query: str,
    passage: Passage,
    score: float,
    rank: int | None,
) -> MaxSimPart:
    """A passage's tokens against the query's, as a model encodes both now."""
    [asked], [found] = encoder.encode_queries([query]), encoder.encode_passages([passage.text])
    return MaxSimPart(
        stage=stage,
        query_tokens=tuple(token_names(encoder, query, len(asked), is_query=True)),
        passage_tokens=tuple(token_names(encoder, passage.text, len(found), is_query=False)),
        matrix=(asked @ found.T).astype(np.float64),
        score=score,
        rank=rank,
    )
