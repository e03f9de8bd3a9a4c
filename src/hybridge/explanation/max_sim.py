"""Late interaction token by token: by an index's stored vectors, or a model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..colbert.naming import token_names
from ..colbert.tokens import TokenEncoder
from ..index import HybridIndex
from ..index.inspection import Inspection
from ..passages import Passage
from .parts import MaxSimPart

__all__ = ["encoded_max_sim", "stored_max_sim"]


def stored_max_sim(
    inspection: Inspection,
    index: HybridIndex,
    stage: str,
    query: str,
    passages: Sequence[Passage],
    points: Sequence[int],
    ranks: Sequence[int | None],
) -> list[MaxSimPart | None]:
    """Each passage's tokens against the query's; None where one of them is blank."""
    encoder = index._token_encoder
    assert encoder is not None
    found: list[MaxSimPart | None] = []
    scores = inspection.exact(stage, points)
    matrices = inspection.similarities(stage, points)
    names = token_names(encoder, query, len(matrices[0]) if matrices else 0, is_query=True)
    for passage, point, rank, matrix in zip(passages, points, ranks, matrices, strict=True):
        if not matrix.size:
            found.append(None)
            continue
        columns = token_names(encoder, passage.text, matrix.shape[1], is_query=False)
        found.append(
            MaxSimPart(
                stage=stage,
                query_tokens=tuple(names),
                passage_tokens=tuple(columns),
                matrix=matrix.astype("float64"),
                score=scores[point],
                rank=rank,
            )
        )
    return found


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
