from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from hybridge import CallableEncoder, HybridIndex


def lengths(texts: Sequence[str]) -> list[list[float]]:
    return [[len(text), text.count("e") + 1.0] for text in texts]


@pytest.fixture
def index() -> Iterator[HybridIndex]:
    """An empty index whose encoder counts characters."""
    encoder = CallableEncoder(lengths, dimension=2, identity="lengths")
    with HybridIndex.create(encoder=encoder) as made:
        yield made
