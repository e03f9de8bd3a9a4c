"""Batches in which no passage is taken for a negative of a query that it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

__all__ = ["batches_without_conflicts"]


def batches_without_conflicts(
    queries: Sequence[str],
    passages: Sequence[Sequence[str]],
    relevant: Mapping[str, frozenset[str]],
    size: int,
    seed: int,
) -> Iterator[list[int]]:
    """Yield examples in batches, at random, each of them once.

    In a batch the passages of all other examples are a query's negatives. So no query comes twice
    in one, and no passage comes with another example's query that it is relevant to.

    Args:
        queries: one an example.
        passages: one list of texts an example.
        relevant: query → the texts of all its relevant passages.
        size: the largest number of examples in a batch. Where few examples are left that go
            together, batches are smaller.
        seed: of the order.

    >>> queries, passages = ["a", "b", "c"], [["x"], ["x"], ["y"]]
    >>> relevant = {"a": frozenset("x"), "b": frozenset("x"), "c": frozenset("y")}
    >>> batches = list(batches_without_conflicts(queries, passages, relevant, 2, seed=0))
    >>> sorted(map(len, batches)), [0, 1] in batches or [1, 0] in batches
    ([1, 2], False)
    """
    order = np.random.default_rng(seed).permutation(len(queries)).tolist()
    none: frozenset[str] = frozenset()
    while order:
        batch: list[int] = []
        left: list[int] = []
        texts: set[str] = set()
        questions: set[str] = set()
        answers: set[str] = set()
        for position, i in enumerate(order):
            if len(batch) == size:
                left += order[position:]
                break
            own = relevant.get(queries[i], none)
            if (
                queries[i] in questions
                or not own.isdisjoint(texts)
                or not answers.isdisjoint(passages[i])
            ):
                left.append(i)
                continue
            batch.append(i)
            questions.add(queries[i])
            texts.update(passages[i])
            answers |= own
        yield batch
        order = left
