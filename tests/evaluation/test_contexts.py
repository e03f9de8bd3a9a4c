"""Passages by their text, against a search of every passage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridge import Passage
from hybridge.evaluation.contexts import PassageTexts

WORDS = st.lists(
    st.sampled_from(["yeast", "makes", "gas", "dough", "\n", "\t\tand", "rises ", " "])
)


def test_blanks_do_not_matter() -> None:
    texts = PassageTexts([Passage("a", "Yeast\n makes\u00a0gas. "), Passage("b", "Salt")])
    assert texts.find(" Yeast makes gas.") == ["a"]


def test_every_passage_of_the_same_text_is_found() -> None:
    texts = PassageTexts([Passage(i, "Salt  slows yeast.") for i in "ab"])
    assert texts.find("Salt slows yeast.") == ["a", "b"]


def test_a_whole_text_is_preferred_to_a_part() -> None:
    title = "How yeast makes dough rise"
    texts = PassageTexts([Passage("long", f"{title}. It makes gas."), Passage("title", title)])
    assert texts.find(title) == ["title"]
    assert texts.find(f"{title}.") == ["long"]


def test_a_part_is_found_in_all_that_overlap_there() -> None:
    shared = "these are the words they share"
    texts = PassageTexts(
        [
            Passage("a", f"one {shared}"),
            Passage("b", "none"),
            Passage("c", f"{shared} {shared} two"),
        ]
    )
    assert texts.find(shared) == ["a", "c"]


def test_a_short_part_says_nothing() -> None:
    texts = PassageTexts([Passage("a", "See above, and see below for the rest of it.")])
    assert texts.find("See above") == []
    assert texts.find("See above, and see be") == ["a"]


def test_nothing_spans_two_passages() -> None:
    texts = PassageTexts([Passage("a", "the end of the first"), Passage("b", "begin the second")])
    assert texts.find("the end of the first begin the second") == []
    assert texts.find("of the first\nbegin the") == []


def test_no_text_is_in_no_passage() -> None:
    texts = PassageTexts([Passage("a", ""), Passage("b", "Salt")])
    assert texts.find("") == texts.find(" \n") == []
    assert PassageTexts([]).find("anything at all, however long") == []


@given(passages=st.lists(WORDS, max_size=6), context=WORDS)
def test_it_finds_what_a_search_of_every_passage_finds(
    passages: list[list[str]], context: list[str]
) -> None:
    texts = {str(i): " ".join(" ".join(words).split()) for i, words in enumerate(passages)}
    wanted = " ".join(" ".join(context).split())
    whole = [i for i, text in texts.items() if wanted and text == wanted]
    parts = [i for i, text in texts.items() if len(wanted) >= 20 and wanted in text]
    made = PassageTexts([Passage(str(i), " ".join(words)) for i, words in enumerate(passages)])
    assert made.find(" ".join(context)) == (whole or parts)
