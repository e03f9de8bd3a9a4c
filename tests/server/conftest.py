"""A small index, and a client of its server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.server import create_app

PASSAGES = [
    Passage("a", "Aspirin thins the blood.", {"year": 2019, "topic": "drugs"}),
    Passage("b", "Bread needs an oven and flour.", {"year": 2021, "topic": "food"}),
    Passage("c/d", "Cheese and bread make a meal.", {"year": 2023, "topic": "food"}),
    Passage("x", "<script>alert('bread')</script>", {"topic": "<b>bold</b>"}),
]


def letters(texts: list[str]) -> list[list[float]]:
    """Encode texts by how often they have some letters."""
    return [[1.0 + text.count(letter) for letter in "aeiou"] for text in texts]


@pytest.fixture
def index() -> Iterator[HybridIndex]:
    encoder = CallableEncoder(letters, dimension=5, identity="letters")
    with HybridIndex.create(encoder=encoder) as made:
        made.add(PASSAGES)
        yield made


@pytest.fixture
def client_of(index: HybridIndex) -> Iterator[Callable[..., TestClient]]:
    """Makes clients of servers of the index; the arguments are those of `create_app`."""
    with ExitStack() as stack:

        def make(**options: Any) -> TestClient:
            app = create_app(index, **options)
            client = TestClient(
                app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False
            )
            return stack.enter_context(client)

        yield make


@pytest.fixture
def client(client_of: Callable[..., TestClient]) -> TestClient:
    """A client of a server that allows no writes."""
    return client_of()


@pytest.fixture
def writing(client_of: Callable[..., TestClient]) -> TestClient:
    """A client of a server that allows writes."""
    return client_of(allow_writes=True)
