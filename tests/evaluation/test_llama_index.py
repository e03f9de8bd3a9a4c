"""LlamaIndex's data sets, as files of the form that `save_json` writes and as objects."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.evaluation import load_llama_index

PASSAGES = [
    Passage("a", "Yeast makes gas,\nand the dough rises."),
    Passage("b", "Bread. Salt slows the yeast, and tightens gluten."),
    Passage("c", "Tides follow the moon."),
]
PAIRS: dict[str, Any] = {
    "queries": {"q1": "Why does dough rise?", "q2": "What slows yeast?", "q3": "Unanswered?"},
    "corpus": {
        "n1": "Yeast makes gas, and the dough rises.",
        "n2": "Salt slows the yeast, and tightens gluten.",
        "n3": "Nobody has this one.",
    },
    "relevant_docs": {"q1": ["n1"], "q2": ["n2", "n3"]},
    "mode": "text",
}
EXAMPLES: dict[str, Any] = {
    "examples": [
        {
            "query": "Why does dough rise?",
            "query_by": {"model_name": "", "type": "human"},
            "reference_contexts": ["Yeast makes gas, and the dough rises."],
            "reference_answer": "Because of gas.",
            "reference_answer_by": None,
        },
        {
            "query": "What slows yeast?",
            "query_by": None,
            "reference_contexts": [
                "Salt slows the yeast, and tightens gluten.",
                "Not here at all.",
            ],
            "reference_answer": "",
            "reference_answer_by": None,
        },
        {"query": "Who asked?", "reference_contexts": None, "reference_answer": ""},
    ]
}


def as_object(data: Any) -> Any:
    """The data set as its class has it: attributes, of which only the dicts by id stay dicts."""
    if "examples" in data:
        return SimpleNamespace(examples=[SimpleNamespace(**each) for each in data["examples"]])
    return SimpleNamespace(**data)


@pytest.fixture(params=["file", "object", "mapping"])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def made(data: Any) -> Any:
        if request.param == "file":
            (tmp_path / "data.json").write_text(json.dumps(data, indent=4))
            return tmp_path / "data.json"
        return as_object(data) if request.param == "object" else data

    return made


def test_pairs_bring_their_own_passages(form: Any) -> None:
    collection = load_llama_index(form(PAIRS))
    assert [(p.id, p.text) for p in collection.passages] == list(PAIRS["corpus"].items())
    assert collection.queries == {"q1": "Why does dough rise?", "q2": "What slows yeast?"}
    assert collection.qrels == {"q1": {"n1": 1}, "q2": {"n2": 1, "n3": 1}}


def test_ids_of_pairs_that_passages_have_are_taken(form: Any) -> None:
    own = [Passage("n1", "changed since"), Passage("n2", "also"), Passage("n3", "this one too")]
    collection = load_llama_index(form(PAIRS), own)
    assert collection.passages == own
    assert collection.qrels == {"q1": {"n1": 1}, "q2": {"n2": 1, "n3": 1}}


def test_other_ids_of_pairs_are_found_by_their_texts(
    form: Any, caplog: pytest.LogCaptureFixture
) -> None:
    collection = load_llama_index(form(PAIRS), PASSAGES)
    assert collection.qrels == {"q1": {"a": 1}, "q2": {"b": 1}}
    [record] = caplog.records
    assert "1 of 3 answers are no passage" in record.getMessage()
    assert "(the first: 'Nobody has this one.')" in record.getMessage()


def test_reference_contexts_are_found_and_what_is_not_is_counted(
    form: Any, caplog: pytest.LogCaptureFixture
) -> None:
    collection = load_llama_index(form(EXAMPLES), iter(PASSAGES))
    assert collection.passages == PASSAGES
    assert collection.queries == {
        "Why does dough rise?": "Why does dough rise?",
        "What slows yeast?": "What slows yeast?",
    }
    assert collection.qrels == {"Why does dough rise?": {"a": 1}, "What slows yeast?": {"b": 1}}
    answers, questions = (record.getMessage() for record in caplog.records)
    assert "1 of 3 answers are no passage" in answers
    assert "1 of 3 questions have no answer" in questions


def test_a_question_that_comes_twice_has_both_contexts() -> None:
    twice = [
        {"query": "Bread?", "reference_contexts": [PASSAGES[0].text]},
        {"query": "Bread?", "reference_contexts": [PASSAGES[1].text]},
    ]
    assert load_llama_index({"examples": twice}, PASSAGES).qrels == {"Bread?": {"a": 1, "b": 1}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"queries": {"q1": "why?"}}, "1 queries that queries lacks .*'q2'"),
        ({"queries": {"q1": " ", "q2": "why?"}}, "query 'q1': the query must be a text"),
        ({"relevant_docs": {"q1": "n1"}}, "query 'q1': expected a list of strings, not 'n1'"),
        ({"relevant_docs": {"q1": [1]}}, "query 'q1': expected a list of strings"),
        ({"relevant_docs": {"q1": []}}, "none of 0 answers to 1 questions is a passage"),
        ({"relevant_docs": {"q1": ["n9"]}}, r"none of 1 .*\(the first: 'n9'\)"),
        ({"corpus": {"n1": None}}, "corpus: expected a list of strings"),
        ({"relevant_docs": None}, "no data set of LlamaIndex: expected queries, corpus"),
    ],
)
def test_broken_pairs_are_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        load_llama_index({**PAIRS, **change})


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        ([{"reference_contexts": []}], "example 1 has no query"),
        ([{"inputs": {"question": "why?"}}], "load_langsmith"),
        ([{"query": ""}], "example 1: the query must be a text"),
        ([{"query": "why?", "reference_contexts": "text"}], "example 1: expected a list"),
        ([{"query": "why?", "reference_contexts": ["Not here at all."]}], "are these the passages"),
        ([], "none of 0 answers to 0 questions"),
    ],
)
def test_broken_examples_are_named(examples: list[Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        load_llama_index({"examples": examples}, PASSAGES)


def test_contexts_need_passages() -> None:
    with pytest.raises(InvalidInputError, match="give the passages to find it in"):
        load_llama_index(EXAMPLES)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("[1, 2]")
    with pytest.raises(InvalidInputError, match=r"other\.json is no data set of LlamaIndex"):
        load_llama_index(file)
    with pytest.raises(InvalidInputError, match=r"no file .*gone\.json"):
        load_llama_index(tmp_path / "gone.json")
