"""JSONL: entries as they are, and the line that a bad one is on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hybridge.errors import InvalidInputError
from hybridge.passages import Passage
from hybridge.readers import read_jsonl, read_passages

from .conftest import write


def test_jsonl_title_goes_in_front_and_the_rest_is_metadata(folder: Path) -> None:
    entry = {"_id": "p", "title": "Title.", "text": "Text.", "year": 2019, "metadata": {"a": [1]}}
    path = write(folder / "c.jsonl", json.dumps(entry) + "\n")
    [passage] = read_jsonl(path)
    assert passage == Passage("p", "Title. Text.", {"title": "Title.", "year": 2019, "a": [1]})


def test_jsonl_entries_without_an_id_are_known_by_their_line(folder: Path) -> None:
    write(folder / "c.jsonl", '{"text": "one"}\n\n{"text": "two", "title": null}\n')
    assert [(p.id, p.text) for p in read_jsonl("c.jsonl")] == [
        ("c.jsonl#1", "one"),
        ("c.jsonl#3", "two"),
    ]


def test_jsonl_entries_are_not_split(folder: Path) -> None:
    text = "A sentence. " * 500
    write(folder / "c.jsonl", json.dumps({"_id": "p", "text": text}))
    [passage] = read_passages("c.jsonl")
    assert passage.text == text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"_id": "b", "text": "cut o', "not valid JSON"),
        ('["b", "text"]', "JSON object, not list"),
        ('{"_id": "b"}', "'text' must be a string, not None"),
        ('{"_id": "b", "text": 5}', "'text' must be a string, not 5"),
        ('{"_id": "b", "text": "t", "title": 5}', "'title' must be a string"),
        ('{"_id": "b", "text": "t", "metadata": 5}', "'metadata' must be an object"),
        ('{"_id": "", "text": "t"}', "non-empty string"),
        ('{"_id": true, "text": "t"}', "non-empty string"),
        ('{"_id": "b", "text": "t", "n": NaN}', "metadata"),
        ('{"_id": "b", "text": "\\ud800"}', "surrogate"),
        (b'{"_id": "b", "text": "\xff"}', "UTF-8"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(folder: Path, line: str | bytes, says: str) -> None:
    encoded = line.encode() if isinstance(line, str) else line
    write(folder / "c.jsonl", b'{"_id": "a", "text": "good"}\n' + encoded + b"\n")
    with pytest.raises(InvalidInputError, match=rf"c\.jsonl, line 2: .*{says}"):
        list(read_jsonl("c.jsonl"))
