"""A small index for the tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hybridge import CallableEncoder, HybridIndex

from ..browser.passages import HOSTILE, PASSAGES

_LETTERS = "aeioustrnl"


@pytest.fixture(scope="module")
def index() -> Iterator[HybridIndex]:
    """Make an index of the collection whose vectors count letters."""
    encoder = CallableEncoder(
        lambda texts: [[1.0 + text.lower().count(each) for each in _LETTERS] for text in texts],
        identity="letters",
    )
    with HybridIndex.create(encoder=encoder) as made:
        made.add([*PASSAGES, *HOSTILE])
        yield made
