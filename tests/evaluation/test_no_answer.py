from __future__ import annotations

import pytest

from hybridge import BM25Retriever, Passage
from hybridge.errors import InvalidInputError
from hybridge.evaluation import NoAnswer, no_answer

CATS = BM25Retriever([Passage("c", "Cats sleep."), Passage("d", "Dogs bark.")])
DOGS = BM25Retriever([Passage("d", "Dogs bark.")])
QUERIES = {"q1": "cats", "q2": "dogs", "q3": "dogs and cats", "q4": "hens", "q5": "not judged"}
QRELS = {"q1": {"c": 1}, "q2": {"d": 2, "c": 0}, "q3": {"c": 1}, "q4": {"h": 1}}


def test_shares_of_questions_with_and_without_an_answer() -> None:
    found = no_answer({"both": CATS, "dogs": DOGS}, QUERIES, QRELS, ["pigs", "cats or cows", "?"])
    assert found.nothing == {"both": [True, False, True], "dogs": [True, True, True]}
    assert found.nothing_found("both") == pytest.approx(2 / 3)
    assert found.answered["both"] == {"q1": True, "q2": True, "q3": True, "q4": False}
    assert found.answers("dogs") == 0.25
    assert (found.lost("both"), found.lost("dogs")) == (0.0, pytest.approx(2 / 3))
    assert "66.7 %" in str(found)
    assert (
        no_answer({"both": CATS, "dogs": DOGS}, QUERIES, QRELS, ["?"], baseline="dogs").lost("both")
        == 0.0
    )


def test_only_the_first_k_count_and_relevance_0_is_no_answer() -> None:
    found = no_answer(CATS, {"q": "dogs or cats sleep"}, {"q": {"d": 1, "c": 0}}, ["?"], k=1)
    assert found.answers("BM25Retriever") == 0.0
    assert NoAnswer({"a": [True]}, {"a": {"q": False}}, "a").lost("a") == 0.0


def test_what_is_not_valid_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no question without an answer"):
        no_answer(CATS, QUERIES, QRELS, [])
    with pytest.raises(InvalidInputError, match="queries must be a list"):
        no_answer(CATS, QUERIES, QRELS, "hens")
    with pytest.raises(InvalidInputError, match="'dog' is none of BM25Retriever"):
        no_answer(CATS, QUERIES, QRELS, ["?"], baseline="dog")
    with pytest.raises(InvalidInputError, match="a retriever is an object"):
        no_answer({"x": 3}, QUERIES, QRELS, ["?"])
