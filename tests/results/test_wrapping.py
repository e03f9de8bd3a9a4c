from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from hybridge import BM25Retriever, Passage
from hybridge.errors import InvalidInputError
from hybridge.observation import observing
from hybridge.passages import Hit
from hybridge.protocols import Where
from hybridge.results import RetrieverWrapper

PASSAGES = [
    Passage("a", "Cats sleep.", {"n": 1}),
    Passage("b", "Cats and dogs sleep.", {"n": 2}),
    Passage("c", "Cats and dogs and birds sleep.", {"n": 3}),
]


class Backwards(RetrieverWrapper):
    stage = "backwards"

    def candidates(self, k: int) -> int:
        return k + 1

    def _lists(
        self,
        queries: Sequence[str],
        found: Sequence[Sequence[Hit]],
        k: int,
        where: Where | None,
    ) -> list[list[Hit]]:
        self.seen = list(queries), [len(hits) for hits in found], k, where
        return [list(hits[::-1][:k]) for hits in found]


class Watcher:
    def __init__(self) -> None:
        self.events: list[object] = []

    def began(self, stage: str, queries: Sequence[int]) -> None:
        self.events.append((stage, list(queries)))

    def ended(self, stage: str, hits: object) -> None:
        assert isinstance(hits, dict)
        self.events.append((stage, {i: [hit.passage.id for hit in hits[i]] for i in hits}))

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self.events.append((stage, error))


@pytest.mark.parametrize("form", ["sync", "async"])
def test_candidates_of_the_retriever_become_lists(form: str) -> None:
    around = Backwards(BM25Retriever(PASSAGES, query_syntax=True))
    watcher, where = Watcher(), {"n": {"$lte": 2}}
    with observing(watcher):
        if form == "sync":
            lists = around.search(["cats", "", "-dogs cats"], 1, where=where)
        else:
            lists = asyncio.run(around.asearch(["cats", "", "-dogs cats"], 1, where=where))
    assert [[hit.passage.id for hit in hits] for hits in lists] == [["b"], [], ["a"]]
    assert around.seen == (["cats", "", "cats"], [2, 0, 1], 1, where)
    assert around.query_syntax
    assert watcher.events[-2:] == [
        ("backwards", [0, 1, 2]),
        ("backwards", {0: ["b"], 1: [], 2: ["a"]}),
    ]


def test_what_is_no_retriever_or_k_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="a retriever is an object"):
        Backwards("bm25")
    with pytest.raises(InvalidInputError, match="k must be a whole number from 1"):
        Backwards(BM25Retriever(PASSAGES)).search(["cats"], 0)
    with pytest.raises(InvalidInputError, match="queries must be a list"):
        Backwards(BM25Retriever(PASSAGES)).search("cats")
