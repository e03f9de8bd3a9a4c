"""Fields that are declared for filters, and searches that go on while others are indexed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.filters import Eq, Gte
from hybridge.vectors import HNSW

PASSAGES = [
    Passage(f"p{n}", f"word{n} common", {"year": 2000 + n % 20, "topic": f"t{n % 3}"})
    for n in range(300)
]


def is_prepared(index: HybridIndex, where: Any) -> bool:
    return index._storage.store.is_prepared(where)


@pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
def test_declared_fields_are_indexed_from_the_start(
    tmp_path: Path, words: CallableEncoder, lexical: Any
) -> None:
    path = tmp_path / "index"
    fields: Any = {"year": "float", "topic": "keyword"}
    with HybridIndex.create(path, encoder=words, lexical=lexical, filter_fields=fields) as index:
        assert is_prepared(index, Gte("year", 2010) & Eq("topic", "t1"))
        assert not is_prepared(index, Eq("author", "Ada"))
        index.add(PASSAGES)
    with HybridIndex.open(path, encoder=words) as index:
        assert is_prepared(index, Gte("year", 2010) & Eq("topic", "t1"))
        [hits] = index.search(["common"], 300, where={"year": {"$gte": 2010}, "topic": "t1"})
        expected = {p.id for n, p in enumerate(PASSAGES) if n % 20 >= 10 and n % 3 == 1}
        assert {hit.passage.id for hit in hits} == expected


def test_a_wrong_declaration_makes_nothing(tmp_path: Path, words: CallableEncoder) -> None:
    wrong: Any = {"year": "integer"}
    with pytest.raises(InvalidInputError, match="'year' must be one of"):
        HybridIndex.create(tmp_path / "index", encoder=words, filter_fields=wrong)
    assert not (tmp_path / "index").exists()


def test_an_engine_without_indexes_takes_a_declaration(words: CallableEncoder) -> None:
    with HybridIndex.create(
        url=":memory:", encoder=words, filter_fields={"topic": "keyword"}
    ) as index:
        index.add(PASSAGES)
        [hits] = index.search(["common"], 300, where={"topic": "t1"})
        assert len(hits) == 100


@pytest.mark.slow
def test_searches_go_on_while_fields_are_indexed_and_the_index_is_optimized(
    words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.vectors.edge._INDEXED_AT_ONCE", 100)
    with HybridIndex.create(encoder=words, hnsw=HNSW(m=8, ef_construct=32)) as index:
        many = 9_000  # enough for a graph
        vectors = np.random.default_rng(1).normal(size=(many, 32)).astype(np.float32)
        index.add(
            (Passage(f"p{n}", f"word{n}", {f"f{n % 8}": n % 5}) for n in range(many)),
            vectors=vectors,
        )
        failures: list[Exception] = []

        def search(field: int) -> None:
            try:
                for value in range(5):
                    [hits] = index.search(["word7"], 10, where={f"f{field}": value})
                    assert len(hits) == 10
                    assert all(hit.passage.metadata == {f"f{field}": value} for hit in hits)
            except Exception as error:  # noqa: BLE001 - of any kind, from a thread
                failures.append(error)

        threads = [threading.Thread(target=search, args=(field,)) for field in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            index.optimize()
        for thread in threads:
            thread.join()
        assert not failures
        index.optimize()
        assert index._storage.store._indexes == {f"metadata.f{n}": "float" for n in range(8)}
        search(3)
        assert not failures
