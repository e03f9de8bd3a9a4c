from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.sentences import children, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cats sleep. Dogs bark.", ["Cats sleep.", "Dogs bark."]),
        ("Really?! Yes! No… Maybe", ["Really?!", "Yes!", "No…", "Maybe"]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("It works (mostly.) See Fig. 2.", ["It works (mostly.)", "See Fig. 2."]),
        ("Dr. Lee et al. agree, e.g. on p. 4.", ["Dr. Lee et al. agree, e.g. on p. 4."]),
        ("J. F. Kennedy of the U.S. Army.", ["J. F. Kennedy of the U.S. Army."]),
        (
            "We saw p < 0.05 vs. Control. It is v1.2 of it.",
            ["We saw p < 0.05 vs. Control.", "It is v1.2 of it."],
        ),
        ("It grew by 3.5 mg. 20 rats died.", ["It grew by 3.5 mg.", "20 rats died."]),
        ("A heading\n\nThen text. More", ["A heading", "Then text.", "More"]),
        ("A heading\r\n\r\nThen text. More", ["A heading", "Then text.", "More"]),
        ("Chapter 1" + "." * 40_000 + "5", ["Chapter 1" + "." * 40_000 + "5"]),
        ("a line\nthat goes on", ["a line\nthat goes on"]),
        ("Über uns. Öl hilft. ¿Qué? ¡Sí!", ["Über uns.", "Öl hilft.", "¿Qué?", "¡Sí!"]),
        ("Они спят. Мы нет.", ["Они спят.", "Мы нет."]),
        (
            "猫は寝る。犬は吠える！「本当？」はい。",
            ["猫は寝る。", "犬は吠える！", "「本当？」", "はい。"],
        ),
        ("see www.example.com for more", ["see www.example.com for more"]),
        ("the end. of a lower case", ["the end. of a lower case"]),
        ("  \n\n ", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    found = sentences(text)
    assert [sentence for _, sentence in found] == expected
    assert all(text[start:].startswith(sentence) for start, sentence in found)


@given(st.text('aB .!?\n。"()1éДr', max_size=60))
def test_nothing_of_a_text_is_lost_and_nothing_comes_twice(text: str) -> None:
    end = 0
    for start, sentence in sentences(text):
        assert text[end:start].strip() == ""
        assert sentence == sentence.strip() != ""
        assert text[start : start + len(sentence)] == sentence
        end = start + len(sentence)
    assert text[end:].strip() == ""


def test_children_know_their_parent_and_their_place() -> None:
    parent = Passage("p", " One. Two!\nThree?  Four", {"year": 2020, "tags": ["a"]})
    made = list(children([parent, Passage("blank", " ")], 2))
    assert made == [
        Passage(
            "p#0",
            "One. Two!",
            {"year": 2020, "tags": ["a"], "parent": "p", "position": 0, "start_index": 1},
        ),
        Passage(
            "p#1",
            "Three?  Four",
            {"year": 2020, "tags": ["a"], "parent": "p", "position": 1, "start_index": 11},
        ),
    ]


def test_the_last_child_may_be_smaller() -> None:
    made = children([Passage("p", "One. Two. Three.")], size=2)
    assert [child.text for child in made] == ["One. Two.", "Three."]


def test_a_bad_size_is_an_error_before_anything_is_read() -> None:
    with pytest.raises(InvalidInputError, match="size must be a whole number"):
        children([], 0)
