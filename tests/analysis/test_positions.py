"""The positions of words: their terms are the text's, and each spans the parts it is made of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import Analyzer
from hybridge.analysis.positions import NO_TERM
from hybridge.analysis.words import is_unspaced

ANALYZERS = [
    Analyzer("english"),
    Analyzer("english", version=1),
    Analyzer("german", fold=False),
    Analyzer(None, stopwords=["a"]),
    Analyzer("chinese"),
    Analyzer.from_callable(str.split, name="whitespace"),
]
_PIECES = ["pump", "the", "XR-500", "getUserName", "C++", ".NET", "7.3.2", "don't", "O'Brien"]
_PIECES += [
    "a/b-c_d",
    "foo.bar-baz",
    "Brontë",
    "東京都",
    "ปลาทู",
    "བོད་ཡིག",
    "한국어",
    "IPv6",
    "1,234.5",
]
# A term of a callable that begins with NUL would be taken for none, which begins so.
_LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
_TEXTS = st.lists(st.sampled_from(_PIECES) | st.text(_LETTERS, max_size=12), max_size=6).map(
    " ".join
)


@pytest.mark.parametrize("analyzer", ANALYZERS, ids=lambda a: a.identity)
@settings(max_examples=80, deadline=None)
@given(text=_TEXTS)
def test_their_terms_are_those_of_the_text(analyzer: Analyzer, text: str) -> None:
    words = analyzer.phrase(text)
    terms = {
        term for at in analyzer.positions(text) for term, _ in at if not term.startswith(NO_TERM)
    }
    # Places are the same, and a phrase is looked for by terms of the text.
    assert len(analyzer.positions(text)) == sum(map(len, words))
    positions = [at for word in words for at in word]
    assert all({*at} <= {*own} for at, own in zip(positions, analyzer.positions(text), strict=True))
    expected = set(analyzer([text])[0])
    assert terms <= expected
    # The rest are pairs of characters that are words.
    assert all(is_unspaced(term) for term in expected - terms)
    for word in words:
        assert word
        for start, at in enumerate(word):
            assert at
            assert all(1 <= span <= len(word) - start for _, span in at)
            assert any(span == 1 for _, span in at)


def test_a_whole_spans_its_parts() -> None:
    [word] = Analyzer("english").phrase("foo.bar-baz")
    assert list(word) == Analyzer("english").positions("foo.bar-baz")
    assert word == (
        (("foo", 1), ("foobarbaz", 3)),
        (("bar", 1), ("barbaz", 2)),
        (("baz", 1),),
    )


def test_a_part_that_is_a_stop_word_has_a_position() -> None:
    word = Analyzer("english").positions("state-of-the-art")
    assert [at[0][0] for at in word] == ["state", NO_TERM + "of", NO_TERM + "the", "art"]


def test_characters_are_positions_and_pairs_are_none() -> None:
    for version in (1, 2):
        words = Analyzer(None, version=version).positions("東京都")
        assert words == [(("東", 1),), (("京", 1),), (("都", 1),)]
