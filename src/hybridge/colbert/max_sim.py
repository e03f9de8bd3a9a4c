"""MaxSim: each token of the query finds its best match in a passage; the matches are summed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..protocols import Vectors

__all__ = ["max_sim"]


def max_sim(query: Vectors, passages: Sequence[Vectors]) -> list[float]:
    r"""The late-interaction score of each passage, exactly.

    .. math:: s(q, d) = \sum_i \max_j \; q_i \cdot d_j

    O. Khattab and M. Zaharia, *ColBERT*, SIGIR 2020, arXiv 2004.12832, equation 3.

    Args:
        query: one vector a token, shape (tokens, dimension).
        passages: likewise, each with tokens of its own.

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
