from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from hybridge import BM25Retriever, Hit, Passage
from hybridge.errors import InvalidInputError
from hybridge.protocols import Where
from hybridge.results import DistinctRetriever, similarity

TEXT = "The shaft seal of the pump leaks, so replace it every year and note the date in the log."


class Fixed:
    """Returns these texts for every query, best first."""

    def __init__(self, *texts: str) -> None:
        self.hits = [Hit(Passage(f"p{i}", text), -float(i)) for i, text in enumerate(texts)]
        self.asked: list[int] = []

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        self.asked.append(k)
        return [self.hits[:k] for _ in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("abcdefg", "abcdefg", 1.0),
        ("abcdefg", "ABC-DEFG", 0.0),  # abcde bcdef cdefg, and "abc d" "bc de" "c def" " defg"
        ("abcdefgh", "abcdefgx", 3 / 5),  # abcde bcdef cdefg are common, defgh and defgx are not
        ("abcde", "vwxyz", 0.0),
        ("ab", "ab!", 1.0),
        ("ab", "abc", 0.0),
        ("", "?!", 1.0),
        ("", "a", 0.0),
        ("Straße nach Köln", "STRASSE nach köln", 1.0),
        ("東京都に住んでいます", "東京都に住んでいました", 5 / 8),
    ],
)
def test_similarity_is_jaccard_s_of_runs_of_five_characters(
    text: str, other: str, expected: float
) -> None:
    assert similarity(text, other) == similarity(other, text) == pytest.approx(expected)


def test_the_best_of_near_duplicates_stays() -> None:
    inner = Fixed(TEXT, TEXT.upper(), "Add oil.", TEXT.replace("year", "week"), "Add oil!", "Other")
    [hits] = DistinctRetriever(inner).search(["q"], k=5)
    assert ids(hits) == ["p0", "p2", "p5"]
    assert [hit.score for hit in hits] == [0, -2, -5]
    assert [(hit.trace[-1].stage, hit.trace[-1].rank, hit.trace[-1].score) for hit in hits] == [
        ("distinct", 1, 0),
        ("distinct", 2, -2),
        ("distinct", 3, -5),
    ]


def test_the_similarity_decides() -> None:
    nearly = TEXT.replace("year", "week")
    value = similarity(TEXT, nearly)
    assert 0.8 < value < 0.95
    inner = Fixed(TEXT, nearly)
    assert ids(DistinctRetriever(inner, value).search(["q"])[0]) == ["p0"]
    assert ids(DistinctRetriever(inner, value + 0.01).search(["q"])[0]) == ["p0", "p1"]


def test_a_duplicate_names_the_most_similar_that_stays() -> None:
    nearly = TEXT.replace("year", "week")
    hits = Fixed("Add oil.", TEXT, nearly).hits
    found = DistinctRetriever(BM25Retriever()).duplicates(hits)
    assert found == {"p2": (hits[1], similarity(TEXT, nearly))}


def test_the_retriever_is_asked_for_more_until_k_are_left() -> None:
    inner = Fixed(*[TEXT] * 20, *(f"{word} " * 9 for word in ("tide", "moon", "harbour")))
    distinct = DistinctRetriever(inner)
    assert ids(distinct.search(["q"], k=3)[0]) == ["p0", "p20", "p21"]
    assert inner.asked == [6, 12, 24]
    assert asyncio.run(distinct.asearch(["q"], 3)) == distinct.search(["q"], 3)


@pytest.mark.parametrize("value", [-0.1, 1.1, True, "0.9"])
def test_a_bad_similarity(value: float) -> None:
    with pytest.raises(InvalidInputError, match="similarity must be a number from 0 to 1"):
        DistinctRetriever(BM25Retriever(), value)
