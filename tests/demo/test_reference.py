"""The demo's corpus: the whole reference, each section once."""

from __future__ import annotations

import sys
from pydoc_data.topics import topics

import pytest

from hybridge.demo import language_reference
from hybridge.errors import HybridgeError
from hybridge.passages import unique_passages


def test_the_reference_is_there_under_its_headings() -> None:
    passages = list(unique_passages(language_reference()))
    assert 300 < len(passages) < 1000
    titles = {str(passage.metadata.get("title")) for passage in passages}
    assert {"__slots__", '"finally" clause', "Emulating callable objects"} <= titles


def test_no_word_of_any_topic_is_lost() -> None:
    words = {word for passage in language_reference() for word in passage.text.split()}
    for text in topics.values():
        lines = (line for line in text.split("\n") if len(set(line.strip())) > 1)
        assert {word for line in lines for word in line.split()} <= words


def test_a_section_that_is_part_of_another_topic_comes_once() -> None:
    texts = [passage.text for passage in language_reference()]
    assert len(set(texts)) == len(texts)
    assert sum('The "while" statement is used for repeated execution' in t for t in texts) == 1


def test_a_python_without_the_reference_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(HybridgeError, match="another Python"):
        next(language_reference())
