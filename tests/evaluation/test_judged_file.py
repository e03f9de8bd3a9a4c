"""Files whose form shows from what is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.evaluation import load_judged
from hybridge.evaluation.judged_file import has_questions

PASSAGES = [Passage("p1", "Yeast makes gas, and dough rises.")]
PAIRS = {"queries": {"q": "why?"}, "corpus": {"p1": "Yeast."}, "relevant_docs": {"q": ["p1"]}}
EXAMPLE = {"query": "why?", "reference_contexts": ["makes gas, and dough rises"]}
CLICK = {"query": "why?", "passage": "p1", "position": 1, "clicked": 1}
THUMB = {"query": "why?", "passage": "p1", "thumb": "up"}


@pytest.mark.parametrize(
    ("name", "content", "query"),
    [
        ("pairs.json", json.dumps(PAIRS), "q"),
        ("rag.JSON", json.dumps({"examples": [EXAMPLE]}), "why?"),
        ("clicks.json", json.dumps([CLICK]), "why?"),
        ("clicks.jsonl", json.dumps(CLICK), "why?"),
        ("clicks.csv", "query,passage,clicked\nwhy?,p1,1\n", "why?"),
        ("thumbs.ndjson", json.dumps(THUMB), "why?"),
        ("thumbs.tsv", "query\tpassage\tthumb\nwhy?\tp1\tup\n", "why?"),
    ],
)
def test_a_file_shows_what_it_is(tmp_path: Path, name: str, content: str, query: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    assert has_questions(file)
    collection = load_judged(str(file), PASSAGES)
    assert collection.queries == {query: "why?"}
    assert collection.qrels == {query: {"p1": 1}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\tp1\t1\n"),
        ("qrels.csv", "q1,p1,1\n"),
        ("qrels", "q1 0 p1 1\nq1 0\n"),
        ("empty.csv", ""),
        ("gone.json", None),
    ],
)
def test_qrels_have_no_questions(tmp_path: Path, name: str, content: str | None) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert not has_questions(tmp_path / name)
    with pytest.raises(InvalidInputError, match=name):
        load_judged(tmp_path / name, PASSAGES)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("langsmith.jsonl", '{"inputs": {"question": "why?"}, "outputs": {}}\n'),
        ("langsmith.json", '{"examples": [{"inputs": {"question": "why?"}, "outputs": {}}]}'),
        ("langsmith.json", '[{"inputs": {"question": "why?"}, "outputs": {}}]'),
    ],
)
def test_langsmith_s_examples_lead_to_their_function(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidInputError, match=rf"{name}.*load_langsmith"):
        load_judged(tmp_path / name, PASSAGES)
