"""What tests of judging share: a new file of judgments, and a small index of letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.judging import Judgments

TEXTS = {
    "apple": "An apple a day",
    "beet": "Green beets",
    "cat": "Cats sleep all day",
    "dune": "Sand and more sand",
    "eel": "Eels swim to the sea",
}


@pytest.fixture
def judgments(tmp_path: Path) -> Judgments:
    return Judgments(tmp_path / "judgments.db")


@pytest.fixture
def index() -> Iterator[HybridIndex]:
    letters = CallableEncoder(
        lambda texts: [[1 + text.count("a"), 1 + text.count("e")] for text in texts],
        dimension=2,
        identity="letters",
    )
    with HybridIndex.create(encoder=letters) as index:
        index.add([Passage(id_, text) for id_, text in TEXTS.items()])
        yield index
