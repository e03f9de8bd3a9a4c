"""The labelled questions: whole on this Python, and found by their quotes."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from hybridge.demo import (
    KINDS,
    Question,
    labelled_questions,
    language_reference,
    read_questions,
)
from hybridge.demo import questions as module
from hybridge.errors import InvalidInputError
from hybridge.evaluation import Collection
from hybridge.passages import Passage

ROOT = Path(__file__).parents[2]
NAMED = "names listed in it refer to the enclosing function"
MUTABLE = "a default value is computed once and then shared"


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return read_questions()


@pytest.fixture(scope="module")
def collection() -> Collection:
    return labelled_questions()


@pytest.fixture
def two_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(
        tmp_path / "two.jsonl",
        entry(id="a", answers=[answer(NAMED, 2, "nonlocal"), answer(MUTABLE, 1, "calls")]),
        entry(id="b", answers=[answer(MUTABLE, 2, "calls")]),
    )
    monkeypatch.setattr(module, "_FILE", path)


def answer(quote: str, relevance: object = 2, topic: str = "calls") -> dict[str, Any]:
    return {"topic": topic, "quote": quote, "relevance": relevance}


def entry(**changes: Any) -> dict[str, Any]:
    whole = {"id": "a", "text": "why?", "kind": "term", "answers": [answer(NAMED)]}
    return whole | changes


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries), encoding="utf-8")
    return path


def passage(id_: str, topic: str, text: str) -> Passage:
    return Passage(id_, text, {"source": topic})


# The set


def test_there_are_many_questions_of_every_kind(questions: list[Question]) -> None:
    kinds = Counter(question.kind for question in questions)
    assert len(questions) >= 120
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 30


def test_every_id_and_every_text_is_there_once(questions: list[Question]) -> None:
    assert len({question.id for question in questions}) == len(questions)
    assert len({question.text.casefold() for question in questions}) == len(questions)


def test_every_question_is_whole(questions: list[Question]) -> None:
    for question in questions:
        assert question.text.strip() == question.text != ""
        assert max(answer.relevance for answer in question.answers) == 2
        for answer in question.answers:
            assert answer.relevance in (1, 2)
            assert len(answer.quote) >= 20
            assert " ".join(answer.quote.split()) == answer.quote


def test_most_topics_have_questions(questions: list[Question]) -> None:
    topics = {passage.metadata["source"] for passage in language_reference()}
    answering = {answer.topic for question in questions for answer in question.answers}
    assert len(topics & answering) > 0.85 * len(topics)


def test_this_python_holds_every_quote_in_one_passage_of_its_topic(
    questions: list[Question], collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    texts = {p.id: (p.metadata["source"], " ".join(p.text.split())) for p in language_reference()}
    for question in questions:
        judged = collection.qrels[question.id]
        assert len(judged) == len(question.answers)  # no passage judged twice for a question
        for answer in question.answers:
            holding = [
                id_
                for id_, (topic, text) in texts.items()
                if topic == answer.topic and answer.quote in text
            ]
            assert [judged[id_] for id_ in holding] == [answer.relevance], answer
    assert caplog.records == []


def test_every_question_has_an_answer_and_every_answer_is_a_passage(
    questions: list[Question], collection: Collection
) -> None:
    known = {p.id for p in collection.passages}
    assert list(collection.queries) == [question.id for question in questions]
    assert collection.qrels.keys() == collection.queries.keys()
    for judged in collection.qrels.values():
        assert 2 in judged.values()
        assert judged.keys() <= known


def test_no_question_is_copied_from_the_reference(questions: list[Question]) -> None:
    def words(text: str) -> str:
        return " ".join(["", *re.findall(r"\w+", text.casefold()), ""])

    reference = [words(passage.text) for passage in language_reference()]
    copied = [
        question.text
        for question in questions
        if words(question.text).count(" ") > 5 and any(words(question.text) in r for r in reference)
    ]
    assert copied == []


# Finding a quote again


@pytest.mark.usefixtures("two_questions")
def test_a_quote_finds_its_passage_whatever_the_white_space() -> None:
    first = passage("x", "nonlocal", f"The\n{NAMED.replace(' ', chr(10) + '  ')}.")
    second = passage("y", "calls", f"Note: {MUTABLE}.")
    third = passage("z", "calls", "Nothing of the kind.")
    found = labelled_questions([first, second, third])
    assert found.passages == [first, second, third]
    assert found.queries == {"a": "why?", "b": "why?"}
    assert found.qrels == {"a": {"x": 2, "y": 1}, "b": {"y": 2}}


@pytest.mark.usefixtures("two_questions")
def test_a_quote_counts_in_every_passage_of_its_topic_and_elsewhere_only_if_moved() -> None:
    there = [passage("x", "nonlocal", NAMED), passage("y", "nonlocal", f"{NAMED}, again")]
    moved = [passage("z", "functions", MUTABLE), Passage("w", f"{NAMED}: of no topic")]
    found = labelled_questions(there + moved)
    assert found.qrels == {"a": {"x": 2, "y": 2, "z": 1}, "b": {"z": 2}}


@pytest.mark.usefixtures("two_questions")
def test_the_better_of_two_judgements_of_a_passage_counts() -> None:
    both = passage("x", "one", f"{MUTABLE}, and {NAMED}")
    assert labelled_questions([both]).qrels == {"a": {"x": 2}, "b": {"x": 2}}


@pytest.mark.usefixtures("two_questions")
def test_what_is_missing_is_left_out_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = labelled_questions([passage("x", "nonlocal", NAMED)])
    assert found.qrels == {"a": {"x": 2}}
    assert found.queries == {"a": "why?"}
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "2 of 3 quotes are not in these passages" in record.message
    assert "1 of 2 questions" in record.message


@pytest.mark.usefixtures("two_questions")
def test_passages_that_answer_nothing_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"the 1 passages answer none.*language_reference"):
        labelled_questions([passage("x", "calls", "Bread needs yeast.")])


# As a wheel


def test_the_wheel_holds_the_questions(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        packed = archive.read("hybridge/demo/questions.jsonl")
    assert packed == (ROOT / "src/hybridge/demo/questions.jsonl").read_bytes()
