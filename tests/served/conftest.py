"""The server that tests talk to: a double, or a real one where its address is given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
import qdrant_client  # noqa: F401 - the engine of the double, which all tests here use

from .double import Double


@pytest.fixture
def double() -> Iterator[Double]:
    """A double of a server, with one node and no faults yet."""
    with Double() as double:
        yield double


@pytest.fixture
def server_url(request: pytest.FixtureRequest) -> str:
    """The address of a double, or of the real server in HYBRIDGE_TEST_QDRANT_URL."""
    url = os.environ.get("HYBRIDGE_TEST_QDRANT_URL")
    return url or str(request.getfixturevalue("double").url)


@pytest.fixture
def collection(server_url: str) -> Iterator[str]:
    """The name of a collection that no other test has, gone when the test ends."""
    name = f"hybridge-test-{uuid4().hex}"
    yield name
    httpx.delete(f"{server_url}/collections/{name}").raise_for_status()
