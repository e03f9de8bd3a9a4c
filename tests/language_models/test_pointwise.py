"""`LLMReranker`: grades of passages, alone or a few at once, and what has none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from hybridge import Hit, Passage
from hybridge.errors import InvalidInputError
from hybridge.language_models import LanguageModel, LLMReranker
from hybridge.testing import RerankerConformance


def hits(*texts: str) -> list[Hit]:
    return [Hit(Passage(text, f"text {text}"), 0.0) for text in texts]


def order(reranked: Sequence[Hit]) -> str:
    return "".join(hit.passage.id for hit in reranked)


class TestConformance(RerankerConformance):
    tolerance = 1e-3

    def build(self) -> LLMReranker:
        return LLMReranker(lambda prompt: str(len(prompt.split("Passage: ")[1]) % 4))


def test_a_grade_is_the_score_and_equal_ones_keep_their_order() -> None:
    grades = {"a": 1, "b": 3, "c": 1, "d": 3, "e": 0}

    def model(prompt: str) -> str:
        [name] = re.findall(r"^Passage: text (\w)$", prompt, re.MULTILINE)
        return f"Grade: {grades[name]}"

    [reranked] = LLMReranker(model).rerank(["q"], [hits("d", "c", "b", "a", "e")])
    assert order(reranked) == "dbcae"
    assert [round(hit.score, 3) for hit in reranked] == [3, 3, 1, 1, 0]
    assert all(hit.score >= round(hit.score) for hit in reranked)  # a threshold of 3 keeps a 3
    note = reranked[0].trace[-1].note
    assert note is not None
    assert note.startswith("5 calls, about ")


def test_without_a_grade_a_passage_gets_the_mean() -> None:
    answers = {"a": "0", "b": "I cannot say.", "c": "3"}
    model = LanguageModel.of(lambda prompt: answers[prompt.split("text ")[1][0]], retries=0)
    [reranked] = LLMReranker(model).rerank(["q"], [hits("a", "b", "c")])
    assert [(hit.passage.id, round(hit.score, 3)) for hit in reranked] == [
        ("c", 3.0),
        ("b", 1.5),
        ("a", 0.0),
    ]
    note = reranked[0].trace[-1].note
    assert note is not None
    assert "; 1 of 3 answers gave no grade: unusable answer 'I cannot say.'" in note


def test_the_earlier_order_stays_where_every_call_fails() -> None:
    def model(prompt: str) -> str:
        raise TimeoutError

    reranker = LLMReranker(LanguageModel.of(model, retries=0))
    [reranked] = reranker.rerank(["q"], [hits("c", "a", "b")])
    assert order(reranked) == "cab"
    note = reranked[0].trace[-1].note
    assert note is not None
    assert note.endswith("3 of 3 answers gave no grade: TimeoutError")


def test_blank_passages_are_graded_as_if_not_relevant_at_all() -> None:
    texts = ["value 3", " ", "value 0", "\n"]
    listed = [Hit(Passage(str(i), text), 0.0) for i, text in enumerate(texts)]
    reranker = LLMReranker(lambda prompt: prompt[prompt.index("value") + 6])
    [reranked] = reranker.rerank(["q"], [listed])
    assert [hit.passage.text for hit in reranked] == ["value 3", "value 0", " ", "\n"]
    # Scores far below would leave a blend with no difference between the others.
    assert [hit.score for hit in reranked] == pytest.approx([3, 0, 0, 0], abs=1e-5)


def test_several_passages_share_a_prompt() -> None:
    prompts: list[str] = []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        return "[1]: 1\n[2]: 2"

    [reranked] = LLMReranker(model, per_call=2).rerank(["q"], [hits("a", "b", "c")])
    assert [re.findall(r"^\[\d\] text \w$", p, re.MULTILINE) for p in prompts] == [
        ["[1] text a", "[2] text b"],
        [],
    ]
    assert "Passage: text c" in prompts[1]
    assert order(reranked) == "bac"  # the third: 1, of the first number in its answer


@pytest.mark.parametrize(("highest", "asked"), [(1, "yes or no"), (4, "from 0, not at all, to 4")])
def test_the_prompt_names_the_scale(highest: int, asked: str) -> None:
    prompts: list[str] = []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        return "1"

    LLMReranker(model, highest=highest, instruction="Is it about tea?").rerank(["q"], [hits("a")])
    assert prompts[0].startswith("Is it about tea?\n\nQuery: q\n\n")
    assert asked in prompts[0]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"highest": 0}, "highest must be"), ({"highest": 101}, "highest"), ({"per_call": 0}, "per_")],
)
def test_arguments_that_are_not_valid_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        LLMReranker(lambda prompt: "1", **options)
