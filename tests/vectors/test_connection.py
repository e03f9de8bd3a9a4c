"""Which connection is made of which arguments and variables."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from hybridge.errors import InvalidInputError
from hybridge.vectors.connection import ConnectionOptions, Request, connect

from .scripted import Scripted

SEARCH = Request("search", "POST", "/collections/beets/points/query/batch", {"searches": []})


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QDRANT_URL", raising=False)
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)


# Requests


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_never_leads_to_another_path(name: str) -> None:
    for path in (f"/collections/{name}", f"/collections/{name}/points/delete"):
        with pytest.raises(InvalidInputError, match=r"is '\.' or '\.\.'"):
            Request("delete", "DELETE", path)
    assert Request("delete", "DELETE", "/collections/..a./points").path


# Arguments


def test_the_options_are_the_keywords() -> None:
    parameters = inspect.signature(connect).parameters.values()
    keywords = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert set(ConnectionOptions.__annotations__) == keywords


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout must be a number of seconds above 0, not 0"),
        ({"timeout": True}, "timeout must be"),
        ({"deadline": -1.5}, "deadline must be .*not -1.5"),
        ({"deadline": float("nan")}, "deadline must be .*not nan"),
        ({"timeout": "9"}, "timeout must be .*not '9'"),
        ({"headers": {"X-Team": "a\nb"}}, "the header 'X-Team'"),
        ({"headers": {"X-Team": 3}}, "the header 'X-Team'"),
        ({"api_key": "secret\n"}, "api_key must be .*line breaks at its ends"),
        ({"api_key": "sécret"}, "api_key must be .*ASCII"),
        ({"api_key": ""}, "api_key must be"),
        ({"api_key": 3}, "api_key must be"),
        ({"url": []}, "url is an empty list"),
        ({"url": ["http://a", "grpc://b"]}, "'grpc://b'"),
    ],
)
def test_arguments_that_are_not_valid(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        connect(**{"url": "http://localhost", **options})
    assert "secret" not in str(caught.value)


def test_headers_come_before_our_own_and_the_key_before_all() -> None:
    headers = {"accept-encoding": "gzip", "api-key": "theirs"}
    with Scripted() as server:
        connection = connect(server.url, "ours", headers=headers)
        connection.send(SEARCH)
        connection.close()
    received = server.received[0].headers
    assert (received["accept-encoding"], received["api-key"]) == ("gzip", "ours")


# Variables


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted() as server:
        monkeypatch.setenv("QDRANT_URL", server.url)
        monkeypatch.setenv("QDRANT_API_KEY", "of the environment")
        for api_key in (None, "given"):
            connection = connect(api_key=api_key)
            connection.send(SEARCH)
            connection.close()
    keys = [received.headers["api-key"] for received in server.received]
    assert keys == ["of the environment", "given"]


def test_the_key_of_the_environment_goes_to_its_address_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QDRANT_URL", "https://cloud.example.org")
    monkeypatch.setenv("QDRANT_API_KEY", "secret")
    with Scripted() as server:
        connection = connect(server.url)
        connection.send(SEARCH)
        connection.close()
    assert "api-key" not in server.received[0].headers


def test_several_addresses_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_URL", "http://a, https://b:6333 ,")
    assert connect().location == "http://a:6333, https://b:6333"


def test_no_address_at_all() -> None:
    with pytest.raises(InvalidInputError, match="give url= or client=, or set QDRANT_URL"):
        connect()
