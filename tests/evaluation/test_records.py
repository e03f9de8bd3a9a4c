"""Records of tables, JSON, JSONL and memory, and what a broken file says."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hybridge.errors import InvalidInputError
from hybridge.evaluation.records import field_names, get_field, read_json, read_records

Pair = namedtuple("Pair", ["query", "passage"])
NAMES = ("query", "passage")


def fields(source: Any) -> list[dict[str, Any]]:
    return [dict(record.fields) for record in read_records(source, NAMES)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.csv", "passage,query\r\np1,why?\r\n\r\np2,who?\r\n"),
        ("r.csv", '\ufeff"query","passage"\n"why?","p1"\nwho?, p2\n'),
        ("r.tsv", "query\tpassage\nwhy?\tp1\nwho?\tp2"),
        ("r.jsonl", '{"query": "why?", "passage": "p1"}\n\n{"query": "who?", "passage": "p2"}\n'),
        ("r.json", '[{"query": "why?", "passage": "p1"}, {"query": "who?", "passage": "p2"}]'),
        (
            "r.json",
            '{"version": 1, "examples": [{"query": "why?", "passage": "p1"},\n'
            '{"query": "who?", "passage": "p2"}]}',
        ),
    ],
)
def test_every_form_gives_the_same_records(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_bytes(content.encode())
    expected = [{"query": "why?", "passage": "p1"}, {"query": "who?", "passage": "p2"}]
    assert fields(file) == fields(str(file)) == expected
    assert sorted(field_names(file)) == ["passage", "query"]


@pytest.mark.parametrize(
    "record",
    [
        {"query": "why?", "passage": "p1"},
        ("why?", "p1"),
        ["why?", "p1"],
        Pair("why?", "p1"),
        SimpleNamespace(query="why?", passage="p1", other=2),
    ],
)
def test_records_in_memory(record: object) -> None:
    assert fields(iter([record])) == [{"query": "why?", "passage": "p1"}]


def test_a_named_tuple_is_read_by_its_names() -> None:
    turned = namedtuple("Turned", ["passage", "other", "query"])("p1", 2, "why?")
    assert fields([turned]) == [{"query": "why?", "passage": "p1", "other": 2}]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.csv", b"query,passage\nwhy?,p1\nwho?\n", r"line 3: expected 2 cells \(query, passage"),
        ("r.csv", b"query,passage\n\xff,p1\n", "line 2: not UTF-8"),
        ("r.csv", b"query,passage,query\nwhy?,p1,who?\n", "line 1: the column 'query' comes twice"),
        ("r.jsonl", b'{"query": "why?"}\n{"qu', "line 2: not valid JSON"),
        ("r.jsonl", b'["why?", "p1"]\n', "line 1: expected a JSON object"),
        ("r.json", b'[{"query": "why?"},\n{"query": "wh', "line 2: not valid JSON .* truncated"),
        ("r.json", b'{"query": "\xff"}', "not UTF-8"),
        ("r.json", b"[" * 100_000, "not valid JSON"),
        ("r.json", b'{"query": "why?"}', "expected a list of objects"),
        ("r.json", b'[{"query": "why?"}, 1]', "entry 2: expected a JSON object, not 1"),
    ],
)
def test_broken_files_are_named_with_the_line(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InvalidInputError, match=rf"{name}.*{says}"):
        fields(file)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ([("why?",)], "record 1: expected query, passage, not"),
        ([("why?", "p1"), 7], "record 2: expected query, passage, not 7"),
        (["why?"], "record 1: expected query, passage, not 'why"),
        (7, "not int"),
        ({"query": "why?"}, "not dict"),
        (b"why?", "not bytes"),
        ("gone.json", "no file 'gone.json'"),
        (Path("gone.csv"), "no file 'gone.csv'"),
    ],
)
def test_what_is_no_record_is_refused(source: Any, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        fields(source)


@pytest.mark.parametrize(
    ("read", "value", "says"),
    [
        ("text", " ", "record 1: 'query' must be a text, not ' '"),
        ("text", 7, "record 1: 'query' must be a text, not 7"),
        ("id", "", "record 1: 'query' must be an id, not ''"),
        ("id", 0.5, "record 1: 'query' must be an id, not 0.5"),
    ],
)
def test_a_field_of_another_kind_is_named(read: str, value: object, says: str) -> None:
    [record] = read_records([{"query": value}], NAMES)
    with pytest.raises(InvalidInputError, match=says):
        getattr(record, read)("query")


def test_fields_are_texts_and_ids() -> None:
    [record] = read_records([{"query": " why \n not?", "passage": 7}], NAMES)
    assert record.text("query") == "why not?"
    assert record.id("passage") == "7"
    with pytest.raises(InvalidInputError, match=r"no field 'rank', only query, passage$"):
        record.value("rank")


def test_fields_of_mappings_and_objects() -> None:
    assert get_field({"a": 1}, "a") == get_field(SimpleNamespace(a=1), "a") == 1
    assert get_field({"a": 1}, "items") is None
    assert get_field(7, "a") is None


def test_a_file_without_records_has_no_field_names(tmp_path: Path) -> None:
    for name, content in (("a.csv", ""), ("a.jsonl", ""), ("a.json", "[]")):
        (tmp_path / name).write_text(content)
        assert field_names(tmp_path / name) == []
    assert read_json(tmp_path / "a.json") == []
