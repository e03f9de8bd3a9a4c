"""A real collection that is quick to search: abstracts of SciFact, vectors made of their words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.evaluation import Collection

from ..index.conftest import DIMENSION, word_vectors
from ..index.test_late import WordTokens

Make = Callable[..., HybridIndex]


@pytest.fixture(scope="session")
def judged(scifact: Any, small_corpus: tuple[Passage, ...]) -> tuple[Collection, Collection]:
    """120 abstracts with questions that they answer, and other questions to test with."""
    passages = small_corpus[:120]
    known = {passage.id for passage in passages}
    qrels = {
        query: judged
        for query, judged in scifact.qrels("test").items()
        if any(judged.values()) and judged.keys() <= known
    }
    queries = {query: scifact.queries[query] for query in qrels}
    ids = list(qrels)
    halves = (ids[:60], ids[60:90])
    train, test = (
        Collection(passages, {q: queries[q] for q in half}, {q: qrels[q] for q in half})
        for half in halves
    )
    return train, test


@pytest.fixture(scope="session")
def vectors(judged: tuple[Collection, Collection]) -> Any:
    return word_vectors([passage.text for passage in judged[0].passages])


@pytest.fixture
def make(judged: tuple[Collection, Collection], vectors: Any) -> Iterator[Make]:
    """Makes an index of the collection, given some options of `HybridIndex.create`."""
    made: list[HybridIndex] = []

    def create(**options: Any) -> HybridIndex:
        if options.get("late_interaction") is True:
            options["late_interaction"] = WordTokens()
        index = HybridIndex.create(
            encoder=CallableEncoder(word_vectors, dimension=DIMENSION, identity="words"),
            **options,
        )
        made.append(index)
        index.add(judged[0].passages, vectors=vectors)
        return index

    yield create
    for index in made:
        index.close()
