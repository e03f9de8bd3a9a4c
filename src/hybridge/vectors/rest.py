"""Vectors, searches and answers as Qdrant's REST API spells them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from .points import number_of
from .store import Ranking, UnionAnswer, UnionSearch, VectorQuery

__all__ = [
    "candidate_count",
    "first_matches",
    "query_vector",
    "scores_of",
    "stages_of",
    "stored_vector",
    "union_answer",
]


def query_vector(vector: Any) -> Any:
    """Return a query's vector.

    >>> query_vector(([7, 9], [1.0, 0.5])), query_vector([0.6, 0.8])
    ({'indices': [7, 9], 'values': [1.0, 0.5]}, [0.6, 0.8])
    """
    return {"indices": vector[0], "values": vector[1]} if isinstance(vector, tuple) else vector


def stored_vector(vector: Any) -> Any:
    """Return a passage's vector, in float32; None for a text without tokens."""
    if isinstance(vector, tuple):
        return {"indices": vector[0], "values": np.asarray(vector[1], np.float32)}
    return np.ascontiguousarray(vector, np.float32) if len(vector) else None


def stages_of(search: UnionSearch) -> list[tuple[str, Any]]:
    """Return the name and query vector of each stage, in the order of the scores."""
    return [*((query.name, query.vector) for query in search.finding), *search.scoring]


def candidate_count(search: UnionSearch) -> int:
    """Return how many points a search finds at most."""
    return sum(query.limit for query in search.finding) + len(search.candidates)


def scores_of(points: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """Return the scores of the points in an answer, in its order.

    >>> scores_of([{"id": 6, "version": 1, "score": 0.5}])
    {-7: 0.5}
    """
    return {number_of(point["id"]): point["score"] for point in points}


def first_matches(found: Mapping[int, float], query: VectorQuery) -> Ranking:
    """Return the first points that a query finds: with a sparse vector, those that match it."""
    if isinstance(query.vector, tuple):
        found = {point: score for point, score in found.items() if score > 0.0}
    return dict(islice(found.items(), query.limit))


def union_answer(
    search: UnionSearch, answers: Sequence[Sequence[Mapping[str, Any]]]
) -> UnionAnswer:
    """Return the answer to a search, of the points in the answers to its stages.

    Args:
        search: the search.
        answers: one a stage, best first; none where there are no candidates.
    """
    scores = list(map(scores_of, answers)) or [{} for _ in stages_of(search)]
    # The best of a stage are among the candidates, of which it ranks all.
    finding = zip(search.finding, scores, strict=False)
    return UnionAnswer([first_matches(some, query) for query, some in finding], scores)
