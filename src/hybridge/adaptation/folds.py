"""Folds of questions that share no relevant passage.

Two questions about one passage are no test of each other: what is learned from the first brings
that passage nearer to the second. Of SciFact's 809 train queries two thirds share a relevant
passage with another one. A linear map of their vectors (λ = 1) gains 0.15 in nDCG@10 where folds
are drawn at random; on questions about passages that it has not seen it loses 0.04.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInputError
from ..evaluation.collection import Qrels
from ..tuning.choosing import divided

__all__ = ["divided_apart", "linked"]


def linked(queries: Sequence[str], qrels: Qrels) -> NDArray[np.int_]:
    """Group queries that share a relevant passage, directly or by way of others.

    Args:
        queries: query ids.
        qrels: query id → passage id → relevance.

    Returns:
        The group of each query, a number from 0.

    >>> qrels = {"q1": {"a": 1}, "q2": {"b": 1, "a": 0}, "q3": {"a": 2}}
    >>> linked(["q1", "q2", "q3"], qrels).tolist()
    [0, 1, 0]
    """
    parents = list(range(len(queries)))

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = i = parents[parents[i]]
        return i

    first: dict[str, int] = {}
    for i, query in enumerate(queries):
        for passage in _relevant(qrels[query]):
            parents[root(i)] = root(first.setdefault(passage, i))
    roots = [root(i) for i in range(len(queries))]
    numbers = {each: number for number, each in enumerate(dict.fromkeys(roots))}
    return np.array([numbers[each] for each in roots], dtype=int)


def divided_apart(groups: NDArray[np.int_], folds: int, seed: int) -> NDArray[np.int_]:
    """Divide queries into folds at random, each group into one fold.

    Args:
        groups: the group of each query, from `linked`.
        folds: the number of folds.
        seed: of the division.

    Returns:
        The fold of each query. Folds have as many groups as each other, as nearly as possible.

    Raises:
        InvalidInputError: there are fewer groups than folds.

    >>> sorted(divided_apart(np.array([0, 0, 1, 2]), 3, seed=0).tolist())
    [0, 1, 2, 2]
    """
    count = int(groups.max(initial=-1)) + 1
    if count < folds:
        raise InvalidInputError(
            f"{len(groups)} queries in {count} groups that share no relevant passage cannot be "
            f"divided into {folds} folds: label questions about more passages, or give fewer folds"
        )
    return divided(count, folds, seed)[groups]


def _relevant(judged: Mapping[str, int]) -> list[str]:
    return [passage for passage, relevance in judged.items() if relevance > 0]
