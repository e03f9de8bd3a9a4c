"""LangSmith's examples: exported in every form, and as its client returns them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langsmith.schemas import Example

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.evaluation import load_langsmith

IDS = [f"00000000-0000-0000-0000-00000000000{i}" for i in range(2)]
PASSAGES = [
    Passage("a", "Yeast makes gas,\nand the dough rises."),
    Passage("7", "Bread. Salt slows the yeast, and tightens gluten."),
]
ROWS: list[dict[str, Any]] = [
    {
        "id": IDS[0],
        "inputs": {"question": "Why does dough rise?", "user": "me"},
        "outputs": {"answer": "gas", "ids": ["a"], "texts": [PASSAGES[0].text]},
    },
    {
        "id": IDS[1],
        "inputs": {"question": "What slows yeast?", "user": "you"},
        "outputs": {
            "answer": "salt",
            "ids": ["7", "a"],
            "texts": ["Salt slows the yeast, and tightens gluten.", PASSAGES[0].text],
        },
    },
]
QUERIES = {IDS[0]: "Why does dough rise?", IDS[1]: "What slows yeast?"}
QRELS = {IDS[0]: {"a": 1}, IDS[1]: {"7": 1, "a": 1}}


def jsonl(folder: Path) -> Path:
    (folder / "e.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder / "e.jsonl"


def listed(folder: Path) -> Path:
    (folder / "e.json").write_text(json.dumps(ROWS, indent=2))
    return folder / "e.json"


def exported(folder: Path) -> Path:
    """As `langsmith dataset export` writes it."""
    whole = {"version": 1, "dataset": {"name": "mine"}, "examples": ROWS}
    (folder / "e.json").write_text(json.dumps(whole, indent=2))
    return folder / "e.json"


def table(folder: Path) -> Path:
    """As the page of a dataset exports it: a column for each input and output."""
    columns = ["id", "input_question", "input_user", "output_answer", "output_ids", "output_texts"]
    with open(folder / "e.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in ROWS:
            outputs = [row["outputs"][key] for key in ("answer", "ids", "texts")]
            cells = [each if isinstance(each, str) else json.dumps(each) for each in outputs]
            writer.writerow([row["id"], *row["inputs"].values(), *cells])
    return folder / "e.csv"


def whole_cells(folder: Path) -> Path:
    """As pandas writes a frame of examples with JSON in the cells."""
    with open(folder / "e.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "inputs", "outputs"])
        writer.writerows(
            [row["id"], json.dumps(row["inputs"]), json.dumps(row["outputs"])] for row in ROWS
        )
    return folder / "e.csv"


def of_the_client(folder: Path) -> Any:
    return iter([Example(**{**row, "id": UUID(row["id"])}) for row in ROWS])


def dumped(folder: Path) -> Path:
    lines = [example.model_dump_json() + "\n" for example in of_the_client(folder)]
    (folder / "e.jsonl").write_text("".join(lines))
    return folder / "e.jsonl"


FORMS = [jsonl, listed, exported, table, whole_cells, of_the_client, dumped]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_judgements(form: Any, tmp_path: Path) -> None:
    for passages in (None, PASSAGES):
        collection = load_langsmith(form(tmp_path), passages, ids="ids")
        assert collection.queries == QUERIES
        assert collection.qrels == QRELS
        assert list(collection.passages) == list(passages or ())
    assert load_langsmith(form(tmp_path), PASSAGES, contexts="texts").qrels == QRELS


@pytest.mark.parametrize(
    "contexts",
    [
        PASSAGES[0].text,
        {"page_content": PASSAGES[0].text, "metadata": {"source": "x"}},
        [{"text": PASSAGES[0].text}],
        [{"lc": 1, "type": "constructor", "kwargs": {"page_content": PASSAGES[0].text}}],
    ],
)
def test_contexts_are_texts_or_documents(contexts: object) -> None:
    row = {"inputs": {"input": "Why?"}, "outputs": {"documents": contexts}}
    loaded = load_langsmith([row], PASSAGES, contexts="documents", question="input")
    assert loaded.qrels == {"Why?": {"a": 1}}


def test_one_id_may_stand_alone_and_be_a_number(tmp_path: Path) -> None:
    row = {"inputs": {"question": "Why?"}, "outputs": {"source": 7}}
    assert load_langsmith([row], PASSAGES, ids="source").qrels == {"Why?": {"7": 1}}
    file = tmp_path / "e.csv"
    deep = "[" * 100_000  # which JSON gives up on
    file.write_text(f"input_question,output_source\nWhy?,a\n[sic] who?,7\n{deep},a\nNone?,\n")
    loaded = load_langsmith(file, PASSAGES, ids="source")
    assert loaded.qrels == {"Why?": {"a": 1}, "[sic] who?": {"7": 1}, deep: {"a": 1}}


def test_ids_and_contexts_that_no_passage_has_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [
        {"inputs": {"question": "Why?"}, "outputs": {"ids": ["a", "b"]}},
        {"inputs": {"question": "Who?"}, "outputs": {"ids": ["c"]}},
        {"inputs": {"question": "When?"}, "outputs": {"ids": None}},
    ]
    assert load_langsmith(rows, PASSAGES, ids="ids").qrels == {"Why?": {"a": 1}}
    answers, questions = (record.getMessage() for record in caplog.records)
    assert "the examples: 2 of 3 answers are no passage" in answers
    assert "(the first: 'b')" in answers
    assert "2 of 3 questions have no answer" in questions


@pytest.mark.parametrize("options", [{}, {"ids": "ids", "contexts": "texts"}])
def test_one_of_ids_and_contexts_has_to_be_named(options: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="say which output"):
        load_langsmith(ROWS, PASSAGES, **options)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"inputs": {"q": "Why?"}, "outputs": {"ids": []}}, "no field 'question', only q"),
        ({"inputs": {"question": "Why?"}, "outputs": {"x": 1, "y": 2}}, "'ids', only x, y"),
        ({"inputs": {"question": ["Why?"]}, "outputs": {"ids": []}}, "must be a text"),
        ({"inputs": {"question": "Why?"}, "outputs": {"ids": [{"id": "a"}]}}, "passages' ids"),
        ({"inputs": {"question": "Why?"}, "outputs": None}, "expected an example with outputs"),
        ({"messages": []}, "inputs: there is no field 'question', only none"),
    ],
)
def test_broken_examples_are_named_with_the_line(tmp_path: Path, line: Any, says: str) -> None:
    file = tmp_path / "e.jsonl"
    file.write_text(f"{json.dumps(ROWS[0])}\n\n{json.dumps(line)}\n")
    with pytest.raises(InvalidInputError, match=rf"e\.jsonl, line 3.*{says}"):
        load_langsmith(file, PASSAGES, ids="ids")


def test_documents_without_a_text_and_contexts_without_passages_are_refused() -> None:
    row = {"inputs": {"question": "Why?"}, "outputs": {"docs": [{"uri": "x"}]}}
    with pytest.raises(InvalidInputError, match="'docs' must be texts or documents"):
        load_langsmith([row], PASSAGES, contexts="docs")
    with pytest.raises(InvalidInputError, match="the examples quotes"):
        load_langsmith(ROWS, contexts="texts")


def test_one_id_with_two_questions_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has two questions, 'Why does dough rise"):
        load_langsmith([ROWS[0], {**ROWS[1], "id": IDS[0]}], ids="ids")
