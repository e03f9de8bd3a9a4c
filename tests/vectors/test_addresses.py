from __future__ import annotations

import base64
from typing import Any

import pytest

from hybridge.errors import InvalidInputError
from hybridge.vectors.addresses import Address


@pytest.mark.parametrize(
    ("url", "base", "port"),
    [
        ("http://localhost:6333", "http://localhost:6333", 6333),
        ("http://localhost", "http://localhost:6333", 6333),
        ("https://xyz.cloud.qdrant.io", "https://xyz.cloud.qdrant.io:443", 443),
        ("https://xyz.cloud.qdrant.io:6333/", "https://xyz.cloud.qdrant.io:6333", 6333),
        ("https://example.org/vectors/v1/", "https://example.org:443/vectors/v1", 443),
        ("HTTP://LOCALHOST:80", "http://localhost:80", 80),
        (" http://10.0.0.7 \n", "http://10.0.0.7:6333", 6333),
        ("http://[::1]:7000/q", "http://[::1]:7000/q", 7000),
        ("http://[fe80::443]", "http://[fe80::443]:6333", 6333),
        ("localhost:6333", "http://localhost:6333", 6333),
        ("qdrant", "http://qdrant:6333", 6333),
    ],
)
def test_an_address_is_read(url: str, base: str, port: int) -> None:
    address = Address.parse(url)
    assert (address.base, str(address), address.port) == (base, base, port)
    assert address.is_secure == base.startswith("https")


def test_without_a_scheme_a_key_goes_by_https() -> None:
    assert Address.parse("qdrant:6333", has_key=True).base == "https://qdrant:6333"


def test_a_user_and_a_password_go_into_a_header_and_nowhere_else() -> None:
    address = Address.parse("https://me:p%40ss@example.org/q")
    expected = base64.b64encode(b"me:p@ss").decode()
    assert address.headers == {"Authorization": f"Basic {expected}"}
    assert "p%40ss" not in f"{address} {address!r}"
    assert expected not in repr(address)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("grpc://localhost:6334", "http:// or https://"),
        ("ftp://me:secret@host", r"'ftp://host' is no address"),
        ("http://me:sec/secret@host", r"'http://host' is no address: quote / \? # and @"),
        ("http://me:7#secret@host", "'http://…' goes on after"),
        ("http://me:secret@host@/?key=secret", "'http:///' names no host"),
        ("me:secret@", "'http://' names no host"),
        ("http://", "names no host"),
        ("", "names no host"),
        ("http://local host:6333", "names no host"),
        ("http://localhost:port", "'http://localhost:port' is no address"),
        ("http://localhost:99999", "is no address"),
        ("http://[::1", "is no address"),
        ("https://host/?api_key=secret", r"'https://host/' goes on after its path.*api_key="),
        (6333, "must be an address as a string, not 6333"),
    ],
)
def test_what_is_no_address_is_refused_without_its_secrets(url: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)
