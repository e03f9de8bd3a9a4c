"""What a list of another framework becomes; the bridge to each is tested beside its adapter."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import BM25Retriever, Passage
from hybridge.errors import InvalidInputError
from hybridge.interop import ExternalHit, FrameworkRetriever, as_json, decreasing_scores


class Listed:
    """Some framework's retriever: the same list for every query."""

    def __init__(self, *found: ExternalHit) -> None:
        self.found = found


class ListedBridge(FrameworkRetriever):
    def _fetch(self, queries: Sequence[str]) -> list[tuple[ExternalHit, ...]]:
        return [self.retriever.found for _ in queries]

    async def _afetch(self, queries: Sequence[str]) -> list[tuple[ExternalHit, ...]]:
        return self._fetch(queries)


def bridged(*found: ExternalHit, id_key: str | None = None) -> ListedBridge:
    return ListedBridge(Listed(*found), id_key)


# Scores


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([3, np.float32(0.5), -2.0], [3.0, 0.5, -2.0]),
        ([0.5, 0.5, 0.25], [0.5, math.nextafter(0.5, 0), 0.25]),
        ([0.0, 0.0], [0.0, -5e-324]),
        ([0.5, 0.5, math.nextafter(0.5, 0)], [0.5, 0.5 - 2**-54, 0.5 - 2**-53]),
        ([0.25, 0.5], [-1.0, -2.0]),
        ([0.5, None, 0.25], [-1.0, -2.0, -3.0]),
        ([0.5, math.nan], [-1.0, -2.0]),
        ([math.inf, 0.5], [-1.0, -2.0]),
        (["0.5", True], [-1.0, -2.0]),
    ],
)
def test_scores_are_kept_where_they_decrease_along_the_list(
    given: list[Any], expected: list[float]
) -> None:
    assert decreasing_scores(given) == expected
    assert {type(score) for score in decreasing_scores(given)} <= {float}


@given(st.lists(st.floats(-1e6, 1e6)))
def test_any_scores_become_ones_that_keep_the_order_strictly(scores: list[float]) -> None:
    made = decreasing_scores(sorted(scores, reverse=True))
    assert made == sorted(set(made), reverse=True)
    assert made == pytest.approx(sorted(scores, reverse=True), abs=1e-6)


# Metadata


def test_metadata_that_json_cannot_hold_is_written_as_text() -> None:
    odd = {
        "when": datetime(2020, 5, 1, 12, 30, tzinfo=UTC),
        "day": date(2020, 5, 1),
        "hour": time(12, 30),
        "count": np.int64(3),
        "share": np.float32(0.5),
        "flag": np.bool_(True),
        "vector": np.array([[1.0, np.nan]]),
        "raw": b"\x00",
        "large": 2**63,
        "price": Decimal("1.50"),
        "path": PurePosixPath("a/b"),
        "uuid": UUID(int=1),
        "tags": {"b", "a"},
        "pair": (1, [math.inf, {"in": date(2021, 1, 1)}]),
        7: "number",
        "torn": "a\ud800b",
        "none": None,
    }
    [[hit]] = bridged(ExternalHit("p1", "torn\udcff", odd)).search(["q"])
    assert dict(hit.passage.metadata) == {
        "when": "2020-05-01T12:30:00+00:00",
        "day": "2020-05-01",
        "hour": "12:30:00",
        "count": 3,
        "share": 0.5,
        "flag": True,
        "vector": [[1.0, None]],
        "raw": "b'\\x00'",
        "large": "9223372036854775808",
        "price": "1.50",
        "path": "a/b",
        "uuid": "00000000-0000-0000-0000-000000000001",
        "tags": ["a", "b"],
        "pair": [1, [None, {"in": "2021-01-01"}]],
        "7": "number",
        "torn": "a?b",
        "none": None,
    }
    assert hit.passage.text == "torn?"
    # All of it passes the checks that a passage makes of what a user gives.
    assert Passage("p1", hit.passage.text, hit.passage.metadata) == hit.passage


def test_metadata_that_holds_itself_ends() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    [[hit]] = bridged(ExternalHit("p1", "x", loop)).search(["q"])
    assert Passage("p1", "x", hit.passage.metadata) == hit.passage


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats(-1, 1),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(_json)
def test_json_stays_as_it_is(value: Any) -> None:
    assert as_json(value) == value


# Ids


def test_a_passage_found_twice_keeps_its_first_place() -> None:
    found = [
        ExternalHit(id_, text, {}) for id_, text in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]
    ]
    [hits] = bridged(*found).search(["q"], k=3)
    assert [(hit.passage.id, hit.passage.text, hit.score) for hit in hits] == [
        ("a", "1", -1.0),
        ("b", "2", -2.0),
        ("c", "4", -3.0),
    ]
    assert [hit.trace[0].rank for hit in hits] == [1, 2, 3]
    assert {hit.trace[0].stage for hit in hits} == {"Listed"}


def test_an_id_may_be_in_the_metadata() -> None:
    [hits] = bridged(
        ExternalHit("x", "1", {"doc": 7}), ExternalHit("y", "2", {"doc": "8"}), id_key="doc"
    ).search(["q"])
    assert [hit.passage.id for hit in hits] == ["7", "8"]


@pytest.mark.parametrize("id_key", [None, "doc"])
@pytest.mark.parametrize("missing", [None, ""])
def test_what_has_no_id_is_named(id_key: str | None, missing: str | None) -> None:
    retriever = bridged(ExternalHit(missing, "Cats sleep.", {"source": "a.txt"}), id_key=id_key)
    with pytest.raises(InvalidInputError, match="Listed found something without") as caught:
        retriever.search(["q"])
    for part in ("'Cats sleep.'", "ListedBridge(retriever, id_key=…)", "['source']"):
        assert part in str(caught.value)


@pytest.mark.parametrize("wrong", ["", 3])
def test_a_bad_id_key_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="id_key must be a metadata field's name"):
        bridged(id_key=wrong)


def test_hits_of_hybridge_take_ids_from_metadata_too() -> None:
    chunks = [
        Passage("1", "cats sleep", {"doc": "a"}),
        Passage("2", "cats and dogs sleep well", {"doc": "a"}),
        Passage("3", "sleep, said the black cats", {"doc": "b"}),
    ]
    bm25 = BM25Retriever(chunks)
    [direct] = bm25.search(["cats"])
    [hits] = ListedBridge(bm25, "doc").search(["cats"])
    assert [(hit.passage.id, hit.score) for hit in hits] == [
        ("a", direct[0].score),
        ("b", direct[2].score),
    ]
    assert hits[0].trace == direct[0].trace
    assert ListedBridge(bm25, None).search(["cats"]) == [direct]


# How many


def test_too_few_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    retriever = bridged(*(ExternalHit(str(n), "x", {}) for n in range(4)))
    with caplog.at_level(logging.WARNING):
        retriever.search(["q"], k=4)
        bridged().search(["q"], k=100)  # nothing matches
        retriever.search([" "], k=100)
        assert caplog.records == []
        retriever.search(["q", "r"], k=100)
        retriever.search(["q"], k=100)
    [record] = caplog.records
    assert record.name == "hybridge.interop.bridge"
    assert "Listed gives 4 passages where 100 are asked for" in record.getMessage()


def test_it_says_what_it_bridges() -> None:
    assert repr(bridged()) == "ListedBridge(Listed)"
