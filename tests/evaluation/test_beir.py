"""BEIR's layout: what is read of it, and what a broken collection says."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from hybridge.errors import InvalidInputError
from hybridge.evaluation import load_beir


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    corpus = [
        {"_id": "d1", "title": "First", "text": "about apples"},
        {"_id": "d2", "title": "", "text": "about pears"},
    ]
    queries = [{"_id": "q1", "text": "apples?"}, {"_id": "q2", "text": "in train only"}]
    (tmp_path / "qrels").mkdir()
    for name, entries in (("corpus", corpus), ("queries", queries)):
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    header = "query-id\tcorpus-id\tscore\n"
    (tmp_path / "qrels/test.tsv").write_text(f"{header}q1\td1\t2\nq1\td2\t0\n")
    (tmp_path / "qrels/train.tsv").write_text(f"{header}q2\td2\t1\n")
    return tmp_path


def test_a_collection_in_beirs_layout(beir: Path) -> None:
    loaded = load_beir(beir)
    assert [(p.id, p.text) for p in loaded.passages] == [
        ("d1", "First about apples"),
        ("d2", "about pears"),
    ]
    assert loaded.queries == {"q1": "apples?"}
    assert loaded.qrels == {"q1": {"d1": 2, "d2": 0}}
    assert load_beir(beir, split="train").queries == {"q2": "in train only"}


def test_judgements_without_a_header_lose_no_line(beir: Path) -> None:
    (beir / "qrels/test.tsv").write_bytes(b"q1\td1\t1\r\nq1\td2\t1\r\n\r\n")
    assert load_beir(beir).qrels == {"q1": {"d1": 1, "d2": 1}}


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(beir: Path, name: str) -> None:
    (beir / name).unlink()
    with pytest.raises(InvalidInputError, match=rf"there is no {name}; it has the splits .*train"):
        load_beir(beir)


def test_a_folder_that_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"BEIR's layout .* no corpus\.jsonl$"):
        load_beir(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("corpus.jsonl", b'{"_id": "d1", "text": "cut', r"corpus\.jsonl, line 1: not valid JSON"),
        ("corpus.jsonl", b'{"_id": "d", "text": ""}\n' * 2, "more than once"),
        ("queries.jsonl", b'{"_id": "q1"}', r"queries\.jsonl, line 1: 'text'"),
        ("queries.jsonl", b'{"_id": "q9", "text": "t"}', r"lacks .*'q1'.*truncated"),
        ("qrels/test.tsv", b"query-id\tcorpus-id\tscore\nq1\td", r"test\.tsv, line 2: .*truncated"),
        ("qrels/test.tsv", b"q1\td1\t1\nq1\td2\tmuch\n", r"test\.tsv, line 2: .*whole number"),
        ("qrels/test.tsv", b"q1\td1\t1\nq1\t\xff\t1\n", r"test\.tsv, line 2: "),
        ("qrels/test.tsv", b"query-id\tcorpus-id\tscore\n", "no judgement"),
    ],
)
def test_a_broken_file_is_named_with_the_line(
    beir: Path, name: str, content: bytes, says: str
) -> None:
    (beir / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=says):
        load_beir(beir)


def test_judged_passages_that_the_corpus_lacks_are_told(
    beir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (beir / "qrels/test.tsv").write_text("q1\td1\t1\nq1\tgone\t1\n")
    with caplog.at_level(logging.WARNING, logger="hybridge.evaluation"):
        assert load_beir(beir).qrels == {"q1": {"d1": 1, "gone": 1}}
    assert "'gone'" in caplog.text
