"""MaxSim: each token of the query finds its best match in a passage; the matches are summed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..protocols import Vectors

__all__ = ["max_sim", "per_token", "segmented_max_sim"]


def max_sim(query: Vectors, passages: Sequence[Vectors]) -> list[float]:
    r"""Return the exact late-interaction score of each passage.

    .. math:: s(q, d) = \sum_i \max_j \; q_i \cdot d_j

    O. Khattab and M. Zaharia, *ColBERT*, SIGIR 2020, arXiv 2004.12832, equation 3.

    Args:
        query: one vector a token, shape (tokens, dimension).
        passages: likewise, each with its own number of tokens.

    Returns:
        One score a passage; 0.0 where the query or the passage has no tokens.

    >>> query = np.array([[1, 0], [0, 1]], dtype=np.float32)
    >>> max_sim(query, [np.array([[0.5, 0.25], [0, 1]], dtype=np.float32), np.empty((0, 2))])
    [1.5, 0.0]
    """
    # One small product a passage: joining the passages for one large product costs more than it
    # saves, for the copy is larger than all of the products together.
    columns = np.ascontiguousarray(query.T)
    return [
        float((passage @ columns).max(axis=0).sum()) if passage.size and query.size else 0.0
        for passage in passages
    ]


def per_token(queries: Sequence[Vectors], scores: Sequence[Sequence[float]]) -> list[list[float]]:
    """Divide each query's scores by the number of its tokens: the mean of its best matches.

    MaxSim grows with the query's tokens, their mean does not: so scores of several queries can be
    held to one minimum.

    Args:
        queries: one vector a token each.
        scores: one list a query.

    >>> per_token([np.zeros((4, 2)), np.zeros((0, 2))], [[2.0, 1.0], [0.0]])
    [[0.5, 0.25], [0.0]]
    """
    return [
        [score / max(len(query), 1) for score in some]
        for query, some in zip(queries, scores, strict=True)
    ]


def segmented_max_sim(
    similarities: NDArray[np.float32], lengths: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Return MaxSim as PLAID computes it: a negative best match counts as 0.

    Args:
        similarities: shape (tokens of all passages, tokens of the query).
        lengths: shape (passages,): how many of those tokens each passage has, at least one.

    Returns:
        Shape (passages,).

    >>> similarities = np.array([[0.5], [0.75], [-0.5]], dtype=np.float32)
    >>> segmented_max_sim(similarities, np.array([2, 1])).tolist()
    [0.75, 0.0]
    """
    best = np.maximum.reduceat(similarities, lengths.cumsum() - lengths, axis=0)
    scores: NDArray[np.float32] = best.clip(0).sum(1)
    return scores
