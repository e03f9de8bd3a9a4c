"""Words in any script, and where they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.adaptation.word_spans import word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  Hot tea,\nplease. ", ["Hot", "tea,", "please."]),
        ("热茶 please", ["热", "茶", "please"]),
        ("ที่นี่", ["ที่", "นี่"]),  # a letter with its two marks
        ("", []),
    ],
)
def test_words_are_found_in_scripts_with_and_without_spaces(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in word_spans(text)] == words


@given(st.text())
def test_everything_but_whitespace_is_in_one_word(text: str) -> None:
    covered = "".join(text[start:end] for start, end in word_spans(text))
    assert covered == "".join(text.split())
