"""Every row of the guide's table of languages: what is typed finds what is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from hybridge import Analyzer, BM25Retriever, Passage

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "languages.md"


class Row(NamedTuple):
    """A row of the table."""

    language: str
    analyzer: str
    text: str
    typed: str
    found_by: str


ROWS = [
    Row(*(cell.strip() for cell in line.strip("|").split("|")))
    for line in re.findall(r"^\|.*\|$", GUIDE.read_text("utf-8"), re.MULTILINE)[2:]
]
PASSAGES = [Passage(str(i), row.text) for i, row in enumerate(ROWS)]


def test_the_table_has_every_row_once() -> None:
    assert len(ROWS) >= 72
    assert len({(row.text, row.typed) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("i", "row"), [*enumerate(ROWS)], ids=[f"{row.language} {row.typed}" for row in ROWS]
)
def test_what_is_typed_finds_what_is_written(i: int, row: Row) -> None:
    analyzer = Analyzer(None if row.analyzer == "`None`" else row.analyzer.strip('`"'))
    written, typed, *words = analyzer([row.text, row.typed, *row.typed.split()])
    assert " ".join(dict.fromkeys(term for term in typed if term in written)) == row.found_by
    for word, terms in zip(row.typed.split(), words, strict=True):
        assert set(terms) & set(written), word
    hits = BM25Retriever(PASSAGES, analyzer=analyzer).search([row.typed], 1)[0]
    assert [hit.passage.id for hit in hits] == [str(i)]
