"""What a snapshot returns: what matches, in order, ties by key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.analyzer import Analyzer
from hybridge.lexical.parameters import BM25Parameters
from hybridge.lexical.postings import Postings
from hybridge.lexical.snapshot import Snapshot

METHODS = ["lucene", "robertson", "atire", "bm25l", "bm25+"]
WORDS = Analyzer.from_callable(str.split, name="whitespace")


def snapshot_of(texts: dict[str, str], method: str = "lucene") -> Snapshot[str]:
    postings: Postings[str] = Postings(WORDS, BM25Parameters(method))
    postings.upsert(list(texts), list(texts.values()))
    return postings.snapshot()


texts = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.lists(st.sampled_from("uvwxyz"), max_size=6).map(" ".join),
    max_size=12,
)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40, deadline=None)
@given(
    texts=texts,
    query=st.lists(st.sampled_from("uvwxyzo"), max_size=4),
    depth=st.integers(1, 15),
    data=st.data(),
)
def test_the_top_is_what_sorting_everything_gives(
    method: str, texts: dict[str, str], query: list[str], depth: int, data: st.DataObject
) -> None:
    snapshot = snapshot_of(texts, method)
    assert snapshot.keys == sorted(texts)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))))
    allowed = allowed.astype(np.bool_)
    scores = snapshot.scores(" ".join(query))
    for mask in (None, allowed):
        found = [
            (key, scores[row])
            for key, row in snapshot.rows.items()
            if scores.matched[row] and (mask is None or mask[row])
        ]
        expected = sorted(found, key=lambda pair: (-pair[1], pair[0]))[:depth]
        assert snapshot.best(scores, depth, mask) == expected
        assert snapshot.top(" ".join(query), depth, mask) == expected
        # Whatever is found shares a word with the query.
        assert all(set(texts[key].split()) & set(query) for key, _ in expected)


@pytest.mark.parametrize("method", ["bm25l", "bm25+"])
def test_a_passage_without_the_words_has_a_score_but_is_not_found(method: str) -> None:
    snapshot = snapshot_of({"a": "u v", "b": "w", "c": "x"}, method)
    assert [key for key, _ in snapshot.top("u", 10)] == ["a"]
    scores = snapshot.scores("u")
    assert scores[snapshot.rows["a"]] > scores[snapshot.rows["b"]] > 0


def test_ties_at_the_last_place_go_by_key() -> None:
    snapshot = snapshot_of({f"p{i:02}": "u" for i in reversed(range(50))} | {"z": "v"})
    assert [key for key, _ in snapshot.top("u", 3)] == ["p00", "p01", "p02"]


def test_scores_are_python_floats_and_a_repeated_word_counts_twice() -> None:
    snapshot = snapshot_of({"a": "u", "b": "v"})
    [(_, once)], [(_, twice)] = snapshot.top("u", 1), snapshot.top("u u", 1)
    assert type(once) is float
    assert twice == pytest.approx(2 * once)


def test_queries_that_find_nothing() -> None:
    for snapshot in (snapshot_of({}), snapshot_of({"a": "", "b": ""}), snapshot_of({"a": "u"})):
        for query in ("", " ", "unknown"):
            assert snapshot.top(query, 5) == []
            assert snapshot.scores(query).values.tolist() == [0.0] * len(snapshot)
