"""What an index sends to a server when passages are added, and what an interruption leaves."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import InvalidInputError, StoreError

from .double import Double, Logged

COUNT = 1_300
PASSAGES = [Passage(f"p{n}", f"word{n} in passage {n}", {"n": n}) for n in range(COUNT)]


def vectors(texts: list[str]) -> Any:
    return [[float(len(text)), 1.0] for text in texts]


@pytest.fixture
def encoder() -> CallableEncoder:
    return CallableEncoder(vectors, identity="lengths")


def points(requests: list[Logged]) -> list[int]:
    return [len(request.body["points"]) for request in requests]


def test_adding_takes_few_large_requests(double: Double, encoder: CallableEncoder) -> None:
    with HybridIndex.create(url=double.url, encoder=encoder) as index:
        assert index.add(PASSAGES) == COUNT
        sent = double.sent("PUT", "points$")
        assert sorted(points(sent)) == [20, 256, 256, 256, 256, 256]
        assert len(index) == COUNT
        [[hit]] = index.search(["word777"], 1)
        assert hit.passage == PASSAGES[777]


def test_an_interrupted_add_says_what_is_written_and_a_repeat_completes_it(
    double: Double, encoder: CallableEncoder
) -> None:
    with HybridIndex.create(url=double.url, encoder=encoder) as index:
        fourth = threading.Event()
        counted = 0

        def meets_faults(method: str, path: str) -> bool:
            nonlocal counted
            if method == "PUT" and path.endswith("points"):
                counted += 1
                if counted == 5:
                    fourth.set()
            return fourth.is_set() and method == "PUT"

        double.meets_faults = meets_faults
        double.rates = {"500": 1.0}
        with pytest.raises(
            StoreError, match=r"could not add passages.* of 1,300 passages"
        ) as error:
            index.add(PASSAGES)
        assert error.value.status == 500
        double.rates = {}
        written = len(index)
        assert 0 < written < COUNT
        assert f"{written:,} of 1,300" in str(error.value)
        assert index.add(PASSAGES) == COUNT
        assert len(index) == COUNT
        for n in (0, 600, 1_299):
            [[hit]] = index.search([f"word{n}"], 1)
            assert hit.passage == PASSAGES[n]


def test_nothing_is_written_where_one_passage_is_too_large(
    double: Double, encoder: CallableEncoder
) -> None:
    with HybridIndex.create(url=double.url, encoder=encoder) as index:
        with pytest.raises(InvalidInputError, match=r"'huge' takes 33,6\d\d,\d\d\d bytes"):
            index.add([*PASSAGES[:3], Passage("huge", "x" * 33_600_000)])
        with pytest.raises(InvalidInputError, match="must be a list"):
            index.add(Passage("p", "x"))  # type: ignore[arg-type]
        assert len(index) == 0
        assert double.sent("PUT", "points$") == []


def test_passages_with_vectors_are_joined_like_any(
    double: Double, encoder: CallableEncoder
) -> None:
    rows = np.random.default_rng(0).normal(size=(600, 2)).astype(np.float32)
    with HybridIndex.create(url=double.url, encoder=encoder) as index:
        index.add(PASSAGES[:600], vectors=rows)
        assert sorted(points(double.sent("PUT", "points$"))) == [88, 256, 256]
        stored = index.dense.vectors(["p0", "p300", "p599"])
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        assert stored == pytest.approx(unit[[0, 300, 599]], abs=1e-6)
