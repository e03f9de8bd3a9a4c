"""An index is copied to another place with the vectors that it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import IndexExistsError, InvalidInputError
from hybridge.lexical import BM25Parameters

from .double import Double

TEXTS = ["green beets", "rye bread", "black tea and bread", "wheat", "", "beets, beets and rye"]
PASSAGES = [Passage(f"p{n}", text, {"n": n}) for n, text in enumerate(TEXTS)]
QUERIES = ["beets", "bread and tea", "rye"]


class Counting(CallableEncoder):
    """Counts the passages that it encodes."""

    def __init__(self) -> None:
        super().__init__(self._vectors, dimension=3, identity="letters")
        self.passages = 0

    def _vectors(self, texts: Sequence[str]) -> Any:
        return np.array([[text.count("e"), text.count("r"), len(text) + 1.0] for text in texts])

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Any:
        self.passages += len(texts)
        return super().encode_passages(texts)


def found(index: HybridIndex) -> list[list[tuple[str, float]]]:
    return [
        [(hit.passage.id, pytest.approx(hit.score, abs=1e-5)) for hit in hits]
        for hits in index.search(QUERIES, 6, where={"n": {"$gte": 1}})
    ]


def test_from_a_folder_to_a_server_and_back(double: Double, tmp_path: Path) -> None:
    encoder = Counting()
    with HybridIndex.create(
        tmp_path / "first", encoder=encoder, weights={"bm25": 1, "dense": 3}
    ) as first:
        first.add(PASSAGES)
        before = found(first)
        with first.copy_to(url=double.url, collection="beets") as second:
            assert found(second) == before
            with second.copy_to(tmp_path / "third") as third:
                assert found(third) == before
                assert third.info()["stages"]["bm25"]["lexical"] == "bm25s"
                third.add([Passage("new", "a new beet")])
            assert second.info()["stages"]["bm25"]["lexical"] == "qdrant"
            assert second.info()["weights"] == first.info()["weights"]
            assert {*second} == {*first} == {*PASSAGES}
    assert encoder.passages == len(PASSAGES) + 1
    with HybridIndex.open(tmp_path / "third", encoder=encoder) as third:
        assert third.get(["new"])[0] is not None


def test_what_is_there_stays_unless_it_may_be_replaced(double: Double) -> None:
    with HybridIndex.create(encoder=Counting()) as index:
        index.add(PASSAGES)
        index.copy_to(url=double.url, collection="beets").close()
        with pytest.raises(IndexExistsError, match="beets"):
            index.copy_to(url=double.url, collection="beets")
        index.delete(["p0"])
        with index.copy_to(url=double.url, collection="beets", overwrite=True) as copy:
            assert {*copy} == {*index}


def test_what_a_server_cannot_keep_is_named_before_anything_is_made(double: Double) -> None:
    with (
        HybridIndex.create(encoder=Counting(), bm25=BM25Parameters(method="bm25+")) as index,
        pytest.raises(InvalidInputError, match="lexical='qdrant' weighs terms as lucene does"),
    ):
        index.copy_to(url=double.url, collection="beets")
    assert double.sent("PUT") == []
