"""Questions from files of every form, and samples of logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.errors import InvalidInputError
from hybridge.judging import read_questions, sample_questions

_TEXTS = {"why?": "why?", "who, me?": "who, me?"}
_WITH_IDS = {"a": "why?", "b": "who, me?"}


@pytest.mark.parametrize(
    ("name", "content", "queries"),
    [
        ("lines.txt", "why?\n\n who,  me?\r\nwhy?\n", _TEXTS),
        ("one.csv", 'why?\n"who, me?"\n', _TEXTS),
        ("two.csv", 'a,why?\nb,"who, me?"\n', _WITH_IDS),
        ("headed.csv", 'Id,Note,Query\na,x,why?\nb,,"who, me?"\n', _WITH_IDS),
        ("headed.tsv", "text\nwhy?\nwho, me?\n", _TEXTS),
        ("beir.jsonl", '{"_id": "a", "text": "why?"}\n{"_id": "b", "text": "who, me?"}', _WITH_IDS),
        ("log.jsonl", '{"question": "why?"}\n{"query": "who, me?", "user": 3}', _TEXTS),
        ("list.json", '["why?", "who, me?"]', _TEXTS),
        (
            "list.json",
            '[{"id": "a", "query": "why?"}, {"id": "b", "query": "who, me?"}]',
            _WITH_IDS,
        ),
        ("numbers.json", '[{"id": 7, "query": "why?"}]', {"7": "why?"}),
    ],
)
def test_forms(tmp_path: Path, name: str, content: str, queries: dict[str, str]) -> None:
    file = tmp_path / name
    file.write_text(content)

    read = read_questions(file)

    assert (read.passages, read.queries, read.qrels) == ((), queries, {})


@pytest.mark.parametrize(
    ("name", "content", "qrels"),
    [
        ("thumbs.csv", "query,passage,thumb\nwhy?,p,1\n", {"why?": {"p": 1}}),
        ("thumbs.jsonl", '{"query": "why?", "passage": "p", "thumb": 1}', {"why?": {"p": 1}}),
        ("thumbs.json", '[{"query": "why?", "passage": "p", "thumb": 1}]', {"why?": {"p": 1}}),
        (
            "llama.json",
            '{"queries": {"x": "why?"}, "corpus": {"p": "t"}, "relevant_docs": {"x": ["p"]}}',
            {"x": {"p": 1}},
        ),
    ],
)
def test_judged_files(tmp_path: Path, name: str, content: str, qrels: object) -> None:
    file = tmp_path / name
    file.write_text(content)

    read = read_questions(file)

    assert read.qrels == qrels
    assert list(read.queries.values()) == ["why?"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", "\n \n", "there is no question in it"),
        ("bad.jsonl", '{"query": ', r"bad\.jsonl, line 1: not valid JSON"),
        ("none.jsonl", '{"id": 1}', r"line 1: there is no field query or question or text"),
        ("three.csv", "a,b,c\n", r"line 1: no column is named .*, and there are 3"),
        ("short.csv", "id,query\na\n", r"line 2: expected 2 cells \(id, query\), not 1"),
        ("number.json", "[3]", "line 1: a question is a text, not 3"),
        ("twice.csv", "id,query\na,why?\na,who?\n", r"line 3: the id 'a' comes twice"),
        ("word.json", '"why?"', "expected a list of questions"),
    ],
)
def test_messages_name_file_and_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(InvalidInputError, match=message):
        read_questions(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for name in ("absent.txt", "absent.csv", "absent.jsonl", "absent.json"):
        with pytest.raises(InvalidInputError, match="there is no file"):
            read_questions(tmp_path / name)


def test_a_sample_is_distinct_in_the_usual_spelling() -> None:
    log = ["why?", "WHY?", "Why?", " why? ", "who?", "Who?", "who?"]

    assert sample_questions(log, 10) == ["why?", "who?"]


def test_a_sample_is_the_same_for_a_seed_in_any_order_of_the_log() -> None:
    log = [f"question {i % 50}" for i in range(300)]

    first = sample_questions(log, 10, seed=3)

    assert len(set(first)) == 10
    assert sample_questions(log[::-1], 10, seed=3) == first
    assert sample_questions(log, 10, seed=4) != first


def test_frequent_questions_are_more_likely() -> None:
    log = ["often"] * 9 + ["seldom"]

    weighted = [sample_questions(log, 1, seed=seed) == ["often"] for seed in range(400)]
    equal = [
        sample_questions(log, 1, weighted=False, seed=seed) == ["often"] for seed in range(400)
    ]

    assert 330 <= sum(weighted) <= 390  # 360 expected, standard deviation 6
    assert 160 <= sum(equal) <= 240  # 200 expected, standard deviation 10


def test_a_sample_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_text("why?\nwho?\nwhy?\n")

    assert sample_questions(file, 2) == ["why?", "who?"]


def test_an_empty_log_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="the log has no question"):
        sample_questions([" "], 2)
    with pytest.raises(InvalidInputError, match="a log has texts, not 3"):
        sample_questions([3], 2)  # type: ignore[list-item]
    with pytest.raises(InvalidInputError, match="count"):
        sample_questions(["why?"], 0)


def test_a_file_of_grades_is_refused_for_they_would_be_lost(tmp_path: Path) -> None:
    file = tmp_path / "judgments.csv"
    file.write_text("query_id,query,passage_id,judge,grade\nq1,why?,p1,Ann,3\n")
    with pytest.raises(InvalidInputError, match="has grades in its field 'grade'"):
        read_questions(file)
