"""Marked words, and the part of a text that is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridge import Analyzer
from hybridge.server.ask.highlights import Piece, highlighted

ENGLISH = Analyzer("english")


def marked(text: str, question: str) -> list[str]:
    return [piece.text for piece in highlighted(text, question, ENGLISH) if piece.is_match]


def test_stems_codes_and_accents_match() -> None:
    assert marked("Pumps pumped; the pump leaks.", "pumping") == ["Pumps", "pumped", "pump"]
    assert marked("Valve XR-500, xr500.", "xr500") == ["XR-500", "xr500"]
    assert marked("Brontë wrote.", "bronte") == ["Brontë"]
    assert marked("The cat is the cat.", "the is") == []


def test_without_an_analyzer_nothing_matches() -> None:
    assert highlighted("a cat", "cat", None) == [Piece("a cat")]


def test_the_part_has_most_of_the_matches() -> None:
    text = "cat " + "word " * 200 + "a cat and a dog sleep " + "word " * 200
    pieces = highlighted(text, "cat dog", ENGLISH, length=100)
    assert [piece.text for piece in pieces if piece.is_match] == ["cat", "dog"]
    assert (pieces[0].text, pieces[-1].text) == ("… ", " …")
    assert len("".join(piece.text for piece in pieces)) <= 104


@given(
    st.text("aé <&\n…x-1東", max_size=300), st.text("aéx-1東 ", max_size=20), st.integers(40, 99)
)
def test_pieces_are_the_text(text: str, question: str, length: int) -> None:
    pieces = highlighted(text, question, ENGLISH, length)
    shown = "".join(piece.text for piece in pieces)
    if len(text) <= length:
        assert shown == text
    else:
        start = 2 if pieces[0] == Piece("… ") else 0
        end = len(shown) - (2 if pieces[-1] == Piece(" …") else 0)
        assert shown[start:end] in text
        assert len(shown) <= length + 4


def test_a_huge_word_is_cut() -> None:
    pieces = highlighted("w" * 1_000_000, "cat", ENGLISH)
    assert [len(piece.text) for piece in pieces] == [320, 2]
