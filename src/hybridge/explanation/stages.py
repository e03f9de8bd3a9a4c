"""The parts of a passage's score by one stage of an index, where the stage gives them."""

from __future__ import annotations

from collections.abc import Sequence

from ..colbert.naming import token_names
from ..index import HybridIndex
from ..index.cached_search import CachedSearch
from ..passages import Passage
from ..stages.late_interaction import OpenLateInteraction
from ..stages.stage import OpenStage
from ..stages.vector import OpenVectorStage
from ..vectors.options import DenseVectors
from .model import BM25Part, MaxSimPart, ScorePart
from .terms import bm25_part

__all__ = ["DEEPEST", "max_sim_parts", "stage_parts"]

#: How deep the rank of a passage that is no candidate is sought.
DEEPEST = 1_000


def stage_parts(
    index: HybridIndex,
    cached: CachedSearch,
    stage: OpenStage,
    passages: Sequence[Passage],
    ranks: Sequence[tuple[int | None, int]],
) -> list[BM25Part | ScorePart]:
    """Return the score of each passage by a stage that finds candidates.

    Args:
        index: the index.
        cached: its search for one query.
        stage: of the index.
        passages: any passages of the index.
        ranks: each passage's rank in the stage, and the depth of the list that was looked through.
    """
    points = [index._storage.store.point(passage.id) for passage in passages]
    search = cached.stage(stage)
    query = cached.queries[0].read
    with index._lock.reading():
        own = search.begin()
        if hasattr(own, "parts"):
            read = index._stages.definitions[stage.name].search_text
            analyzer = stage.analyzer if hasattr(stage, "analyzer") else index.analyzer
            return [
                bm25_part(parts, rank, query, read(passage), analyzer)
                for passage, (rank, _), parts in zip(
                    passages, ranks, own.parts(query, points), strict=True
                )
            ]
        [scores] = search.exact([points])
        taken_apart = own.contributions(points) if hasattr(own, "contributions") else None
    return [
        ScorePart(
            stage.name,
            scores[point],
            rank,
            depth,
            _unit(stage),
            None if taken_apart is None else taken_apart[i],
        )
        for i, (point, (rank, depth)) in enumerate(zip(points, ranks, strict=True))
    ]


def _unit(stage: OpenStage) -> str:
    if isinstance(stage, OpenVectorStage) and isinstance(stage.stage.vectors, DenseVectors):
        return stage.stage.vectors.distance
    return "score"


def max_sim_parts(
    index: HybridIndex,
    cached: CachedSearch,
    stage: OpenLateInteraction,
    passages: Sequence[Passage],
    ranks: Sequence[int | None],
) -> list[MaxSimPart | None]:
    """Compare each passage's tokens with the query's; None where one of them is blank."""
    points = [index._storage.store.point(passage.id) for passage in passages]
    encoder = stage.stage.encoder
    search = cached.stage(stage)
    with index._lock.reading():
        [scores] = search.exact([points])
        matrices = search.begin().similarities(points)
    query = cached.queries[0].read
    names = token_names(encoder, query, len(matrices[0]) if matrices else 0, is_query=True)
    parts: list[MaxSimPart | None] = []
    for passage, point, rank, matrix in zip(passages, points, ranks, matrices, strict=True):
        if not matrix.size:
            parts.append(None)
            continue
        text = stage.stage.search_text(passage)
        columns = token_names(encoder, text, matrix.shape[1], is_query=False)
        parts.append(
            MaxSimPart(
                stage=stage.name,
                query_tokens=tuple(names),
                passage_tokens=tuple(columns),
                matrix=matrix.astype("float64"),
                score=scores[point],
                rank=rank,
            )
        )
    return parts
