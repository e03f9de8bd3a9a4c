"""Words are found where they stand, in any script, and know their terms."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import Analyzer, BM25Retriever, Passage
from hybridge.explanation import BM25Part, explain
from hybridge.explanation.terms import compounds_of, words_of

ENGLISH = Analyzer("english")


@given(st.text(max_size=60))
def test_words_lie_in_the_text_one_after_another(text: str) -> None:
    at = 0
    for start, end, terms in words_of(text, ENGLISH):
        assert at <= start < end <= len(text)
        assert terms == ENGLISH([text[start:end]])[0]
        at = end


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Why, blood-clots?", ["Why", "blood", "clots"]),
        ("東京 Tower", ["東", "京", "Tower"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("co\u00adoperate e\u0301t\u00e9", ["co\u00adoperate", "e\u0301t\u00e9"]),
    ],
)
def test_words_of_many_scripts(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end, _ in words_of(text, Analyzer(None))] == words


def part_of(query: str, text: str, analyzer: Analyzer) -> BM25Part:
    passages = [Passage("p", text), Passage("q", "something else, zebras")]
    part = explain(BM25Retriever(passages, analyzer=analyzer), query, "p").bm25
    assert part is not None
    return part


def test_terms_know_their_words_and_why_they_add_nothing() -> None:
    part = part_of("Cats, CAT and the zebras of unicorns __", "Cats chase a cat", ENGLISH)
    told = {
        term.term: (term.words, term.in_query, term.in_passage, term.note) for term in part.terms
    }
    assert told == {
        "cat": (("Cats", "CAT"), 2, 2, ""),
        "zebra": (("zebras",), 1, 0, "not in the passage"),
        "unicorn": (("unicorns",), 1, 0, "not in the corpus"),
        "and": (("and",), 1, 0, "stop word"),
        "the": (("the",), 1, 0, "stop word"),
        "of": (("of",), 1, 0, "stop word"),
        "__": (("__",), 1, 0, "no term"),
    }
    assert part.spans == ((0, 4), (13, 16))


def test_a_compound_is_one_word_where_only_the_whole_of_it_is_found() -> None:
    part = part_of("T-3 of C++", "valve T-3, T3 in C++ or C", ENGLISH)
    words = {term.term: term.words for term in part.terms}
    assert words == {"t": ("T",), "3": ("3",), "t3": ("T-3",), "c++": ("C++",), "of": ("of",)}
    assert part.spans == ((6, 9), (11, 13), (17, 20))
    part = part_of("clots", "blood-clots", ENGLISH)
    assert part.spans == ((6, 11),)


@settings(deadline=None)
@given(st.text(st.sampled_from("aZ9é東ก\u0e31-.'/+_ \u00ad"), max_size=20))
def test_compounds_hold_whole_words(text: str) -> None:
    compounds = list(compounds_of(text, ENGLISH))
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(compounds))
    for first, last, _ in words_of(text, ENGLISH):
        assert sum(start <= first < last <= end for start, end, _ in compounds) == 1


def test_pairs_of_characters_are_their_own_words() -> None:
    part = part_of("東京", "東京 Tower", Analyzer("japanese"))
    assert {term.term: term.words for term in part.terms} == {
        "東": ("東",),
        "京": ("京",),
        "東京": ("東京",),
    }


def test_an_analyzer_of_ones_own() -> None:
    part = part_of("a-b c", "c a-b", Analyzer.from_callable(str.split, name="whitespace"))
    assert [(term.term, term.in_passage) for term in part.terms[:2]] == [("a-b", 1), ("c", 1)]
    assert sum(term.part for term in part.terms) == part.score
