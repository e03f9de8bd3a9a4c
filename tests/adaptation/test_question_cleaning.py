"""Raw answers of language models, and the questions in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.adaptation.question_cleaning import cleaned_question

PASSAGE = "Steep black tea for three minutes. Longer makes it bitter."


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        (" why does tea turn bitter?\n\nPassage: Milk", "why does tea turn bitter?"),
        ("Question: Why does tea turn bitter?", "Why does tea turn bitter?"),
        ("**Question 1:** Why does tea turn bitter?", "Why does tea turn bitter?"),
        ("Q1: why does tea turn bitter?", "why does tea turn bitter?"),
        ("Search query: bitter tea reasons", "bitter tea reasons"),
        ("1. Why does tea turn bitter?\n2. How long?", "Why does tea turn bitter?"),
        ("2) Why does tea turn bitter?", "Why does tea turn bitter?"),
        ("- **Why does tea turn bitter?**", "Why does tea turn bitter?"),
        ('"Why does tea turn bitter?"', "Why does tea turn bitter?"),
        ("“Why does tea turn ‘bitter’ at all?”", "Why does tea turn ‘bitter’ at all?"),
        ("Sure! Here is a question:\n\nWhy does tea turn bitter?", "Why does tea turn bitter?"),
        ("Why does tea turn:", "Why does tea turn:"),  # the last line
        ("<think>What? They\nask.</think>\nWhy does tea turn bitter?", "Why does tea turn bitter?"),
        (
            "They want\na question.\n</think>\n\nWhy does tea turn bitter?",
            "Why does tea turn bitter?",
        ),
        ("3 cups of tea how long", "3 cups of tea how long"),  # a number that counts
        ("1984 tea harvest in China", "1984 tea harvest in China"),
        ("C-reactive protein and tea", "C-reactive protein and tea"),
        ("红茶为什么会苦", "红茶为什么会苦"),
        ("are 2,000,000,000,000 cups too many", "are 2,000,000,000,000 cups too many"),
    ],
)
def test_the_question_stands_without_what_surrounds_it(answer: str, question: str) -> None:
    assert cleaned_question(answer, PASSAGE) == question


@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n ",
        "Question:",
        "bitter tea",
        "<think>I do not know what to ask",
        "Steep black tea for three minutes",  # the beginning of the passage
        "longer  makes it BITTER?",
        "How do bees fly?",  # the example's
        "why is tea and why is tea and why is tea and why",
        "tea tea tea tea tea tea",
        "红茶红茶红茶红茶红茶红茶",
        " ".join(f"word{n}" for n in range(61)),
    ],
)
def test_what_is_no_question_is_left_out(answer: str) -> None:
    assert cleaned_question(answer, PASSAGE, ["how do bees fly"]) is None


@given(st.text(max_size=200), st.text(max_size=50))
def test_a_question_is_one_line_of_the_answer(answer: str, passage: str) -> None:
    question = cleaned_question(answer, passage)
    assert question is None or (question in answer and len(question.splitlines()) == 1)


@given(st.text("ab :\n*-1.\"'", max_size=60))
def test_cleaning_a_question_again_changes_nothing_of_its_words(answer: str) -> None:
    question = cleaned_question(answer, "")
    if question is not None:
        again = cleaned_question(question, "")
        assert again is None or again in question
