"""Expansions: prompts, what is read of answers, what is kept, failures."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from hybridge.errors import InvalidInputError
from hybridge.language_models import (
    LanguageModel,
    QueryExpansion,
    hypothetical_passages,
    rephrasings,
    sub_questions,
)
from hybridge.language_models.expansion import as_expansion
from hybridge.steps import run


class Writing:
    """A model that keeps its prompts."""

    def __init__(self, *answers: str) -> None:
        self.prompts: list[str] = []
        self.answers = answers

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self.answers[(len(self.prompts) - 1) % len(self.answers)]


def test_each_kind_asks_for_what_it_is() -> None:
    model = Writing("one\ntwo\nthree\nfour")
    assert rephrasings(model, 3).expand(["q"]) == [("one", "two", "three")]
    assert sub_questions(model, 2).expand(["q"]) == [("one", "two")]
    assert hypothetical_passages(model, 2).expand(["q"]) == [("one two three four",)]
    first, second, third, fourth = model.prompts
    assert first.startswith("Write 3 other phrasings")
    assert second.startswith("Write 2 simpler questions")
    assert third.startswith("Write a passage")
    assert fourth != third
    assert all(prompt.endswith("\n\nQuery: q") for prompt in model.prompts)


def test_the_query_itself_and_doubles_are_no_expansion() -> None:
    model = Writing('1. "Hot  tea?"\n2. tea, hot\n3. Tea, Hot')
    assert rephrasings(model).expand(["hot tea?"]) == [("tea, hot",)]


def test_a_query_is_asked_about_once() -> None:
    model = Writing("one", "two", "three")
    expansion = rephrasings(model)
    assert expansion.expand(["a", "b", "a"]) == [("one",), ("two",), ("one",)]
    assert expansion.expand(["b", "c"]) == [("two",), ("three",)]
    assert len(model.prompts) == 3
    [known] = run(expansion.steps(["a"]))
    assert known.note is None  # it cost nothing


def test_a_failure_is_reported_and_not_kept() -> None:
    calls = 0

    def model(prompt: str) -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError("no route")
        return "other words"

    expansion = rephrasings(LanguageModel.of(model, retries=0))
    [failed] = run(expansion.steps(["a"]))
    assert failed.texts == ()
    assert failed.note is not None
    assert failed.note.endswith("; 1 of 1 answers left the query alone: ConnectionError: no route")
    assert expansion.expand(["a"]) == [("other words",)]


def test_a_blank_answer_is_unusable() -> None:
    [found] = run(rephrasings(Writing("  \n")).steps(["a"]))
    assert found.texts == ()
    assert found.note is not None
    assert "unusable answer" in found.note


def test_a_function_is_an_expansion_whose_errors_leave_the_query_alone() -> None:
    def function(query: str) -> list[str]:
        if query == "bad":
            raise KeyError(query)
        return [query.upper(), " ", query.upper()]

    def generator(query: str) -> Iterator[str]:
        yield from function(query)

    for each in (function, generator):
        good, bad = run(as_expansion(each).steps(["good", "bad"]))
        assert (good.texts, good.note) == (("GOOD",), None)
        assert (bad.texts, bad.note) == ((), "the query alone: KeyError: 'bad'")


def test_a_copy_by_pickle_keeps_what_was_written() -> None:
    expansion = QueryExpansion(pickled_model, "Rephrase.")
    expansion.expand(["a"])
    copy = pickle.loads(pickle.dumps(expansion))
    assert copy.expand(["a"]) == [("picked",)]


def pickled_model(prompt: str) -> str:
    return "picked"


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: rephrasings(lambda _: "x", 0), "number must be"),
        (lambda: QueryExpansion(lambda _: "x", " "), "instruction must be"),
        (lambda: rephrasings(5), "a language model is"),
        (lambda: as_expansion(5), "an expansion is what"),
        (lambda: as_expansion(QueryExpansion), "an expansion is what"),
        (lambda: run(as_expansion(lambda _: "text").steps(["a"])), "returns a list of texts"),
        (lambda: run(as_expansion(lambda _: None).steps(["a"])), "returns a list .*, not None"),
        (lambda: run(as_expansion(lambda _: [5]).steps(["a"])), "returns a list of texts"),
    ],
)
def test_what_is_not_valid_is_named(make: Any, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        make()
