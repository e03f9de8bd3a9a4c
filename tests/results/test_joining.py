from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.results.joining import Piece, joined


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], ""),
        ([Piece("one")], "one"),
        ([Piece("one"), Piece("two")], "one\n\ntwo"),
        ([Piece("one", 0), Piece("two", 4)], "one two"),
        ([Piece("one", 0), Piece("two", 3)], "onetwo"),
        ([Piece("one", 0), Piece("two", 5)], "one\n\ntwo"),
        ([Piece("one two", 0), Piece("two three", 4)], "one two three"),
        ([Piece("one two three", 0), Piece("two", 4)], "one two three"),
        (
            [Piece("one two three", 0), Piece("two", 4), Piece("three four", 8)],
            "one two three four",
        ),
        # A position that is wrong: the text is not what would be there.
        ([Piece("one two", 0), Piece("six", 4)], "one two\n\nsix"),
        ([Piece("one two", 0), Piece("ten three", 4)], "one two\n\nten three"),
        # What is missing between two pieces shows in their numbers alone.
        ([Piece("one", None, 0), Piece("three", None, 2)], "one … three"),
        ([Piece("one", None, 0), Piece("two", None, 1)], "one\n\ntwo"),
        ([Piece("one", 0, 0), Piece("three", 8, 2)], "one … three"),
        ([Piece("one two", 0, 0), Piece("two three", 4, 9)], "one two three"),
    ],
)
def test_joined(pieces: list[Piece], expected: str) -> None:
    assert joined(pieces) == expected


@given(
    st.text("ab c", min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(1, 9)), max_size=9),
)
def test_overlapping_cuts_make_the_text_again(text: str, cuts: list[tuple[int, int]]) -> None:
    """Any cuts, with those in between so that all of the text is covered."""
    starts = sorted({0, *(start for start, _ in cuts if start < len(text))})
    ends = [*starts[1:], len(text)]
    extra = dict(cuts)
    pieces = [
        Piece(text[start : end + extra.get(start, 0)], start)
        for start, end in zip(starts, ends, strict=True)
    ]
    assert joined(pieces) == text
