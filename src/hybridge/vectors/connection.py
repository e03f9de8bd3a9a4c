"""The way to a Qdrant engine: a server (`http.py`) or one in this process (`local.py`)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from ..errors import InvalidInputError
from .request import Request

if TYPE_CHECKING:
    from ssl import SSLContext

    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = ["DEADLINE", "TIMEOUT", "Connection", "ConnectionOptions", "Request", "connect"]

TIMEOUT = 30.0  # seconds of one attempt
DEADLINE = 60.0  # seconds of all attempts at a request


class Connection(Protocol):
    """A way to one Qdrant engine.

    Attributes:
        location: its address for people, without secrets.
        is_local: the engine is in this process: always exact, without payload indexes.
    """

    @property
    def location(self) -> str: ...

    @property
    def is_local(self) -> bool: ...

    def send(self, request: Request) -> Any:
        """Return the "result" of the answer.

        Raises:
            StoreError: the engine refused the request, or could not be reached.
        """
        ...

    async def asend(self, request: Request) -> Any:
        """Return the "result" of the answer, like `send`."""
        ...

    def version(self) -> tuple[int, ...]:
        """Return the engine's version, read once."""
        ...

    def close(self) -> None:
        """Close what the connection opened; a second call does nothing."""
        ...


class ConnectionOptions(TypedDict, total=False):
    """How to reach a server.

    Attributes:
        client: a `QdrantClient` or `AsyncQdrantClient` instead of a url; it stays open.
        timeout: seconds that one attempt at a request may take, by default 30.
        deadline: seconds that a request may take with all its attempts, by default 60.
        headers: sent with every request.
        verify: of the server's certificate: by default True, the usual authorities; the path of a
            file or folder of others; a context; False for none.
    """

    client: QdrantClient | AsyncQdrantClient | None
    timeout: float
    deadline: float
    headers: Mapping[str, str] | None
    verify: bool | str | SSLContext


def connect(
    url: str | Sequence[str] | None = None,
    api_key: str | None = None,
    *,
    client: QdrantClient | AsyncQdrantClient | None = None,
    timeout: float | None = None,
    deadline: float | None = None,
    headers: Mapping[str, str] | None = None,
    verify: bool | str | SSLContext = True,
) -> Connection:
    """Return a connection to a server, or to an engine in this process for ``":memory:"``.

    Nothing is sent yet. Without `url` and `client`, the environment variables QDRANT_URL (several
    addresses parted by commas) and QDRANT_API_KEY are read, the key only with that address.

    Args:
        url: for example ``"http://localhost:6333"``, where http stands for port 6333 and https for
            443 unless another is named; several for the nodes of one cluster.
        api_key: the key of a protected server.
        client: see `ConnectionOptions`, for all that follow too.
        timeout: by default 30 seconds, or that of `client`.
        deadline: by default 60 seconds.
        headers: by default none, or those of `client`.
        verify: with `url` alone.

    Raises:
        InvalidInputError: an address or option is not valid, or there is no address.

    >>> connect("https://qdrant.example.org/vectors", "secret").location
    'https://qdrant.example.org:443/vectors'
    """
    _check_seconds(timeout, "timeout")
    _check_seconds(deadline, "deadline")
    _check_headers(headers)
    if client is not None:
        if url is not None or api_key is not None or verify is not True:
            raise InvalidInputError(
                "give either client or url, api_key and verify: a client has its own"
            )
        return _connect_client(client, headers, timeout, deadline)
    if url is None:
        url, api_key = _from_environment(api_key)
    if url == ":memory:":
        from qdrant_client import QdrantClient

        from .local import LocalConnection

        return LocalConnection(QdrantClient(":memory:"))
    from .addresses import Address
    from .http import HttpConnection
    from .sessions import Sessions, settings

    urls = [url] if isinstance(url, str) else list(url)
    if not urls:
        raise InvalidInputError("url is an empty list: give at least one address")
    addresses = [Address.parse(each, has_key=api_key is not None) for each in urls]
    sent = {**addresses[0].headers, **(headers or {})}
    if api_key is not None:
        _check_key(api_key)
        sent["api-key"] = api_key
    is_secure = any(address.is_secure for address in addresses)
    sessions = Sessions(settings(verify, is_secure=is_secure))
    return HttpConnection(addresses, sessions, sent, timeout or TIMEOUT, deadline or DEADLINE)


def _connect_client(
    client: QdrantClient | AsyncQdrantClient,
    headers: Mapping[str, str] | None,
    timeout: float | None,
    deadline: float | None,
) -> Connection:
    from qdrant_client import AsyncQdrantClient, QdrantClient

    if not isinstance(client, QdrantClient | AsyncQdrantClient):
        raise InvalidInputError(
            f"client must be a QdrantClient or an AsyncQdrantClient, not {type(client).__name__}"
        )
    from .borrowed import BorrowedSessions, is_remote

    if not is_remote(client):
        from .local import LocalConnection

        return LocalConnection(client, "the client's own engine", is_ours=False)
    from .addresses import Address
    from .http import HttpConnection

    sessions = BorrowedSessions(client)
    return HttpConnection(
        [Address.parse(sessions.uri, is_whole=True)],
        sessions,
        {**sessions.headers, **(headers or {})},
        timeout or sessions.timeout or TIMEOUT,
        deadline or DEADLINE,
    )


def _from_environment(api_key: str | None) -> tuple[str | list[str], str | None]:
    urls = [each.strip() for each in os.environ.get("QDRANT_URL", "").split(",") if each.strip()]
    if not urls:
        raise InvalidInputError("a server has no address: give url= or client=, or set QDRANT_URL")
    key = os.environ.get("QDRANT_API_KEY") or None if api_key is None else api_key
    return urls[0] if len(urls) == 1 else urls, key


def _check_seconds(value: float | None, name: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidInputError(f"{name} must be a number of seconds above 0, not {value!r}")


def _check_headers(headers: Mapping[str, str] | None) -> None:
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not isinstance(value, str) or not _is_sendable(value):
            raise InvalidInputError(
                f"the header {name!r} must be a string of printable ASCII characters, without line "
                "breaks"
            )


def _check_key(api_key: str) -> None:
    if not isinstance(api_key, str) or not api_key or not _is_sendable(api_key):
        raise InvalidInputError(
            "api_key must be a string of printable ASCII characters, without spaces or line breaks "
            "at its ends"
        )


def _is_sendable(value: str) -> bool:
    return value.isascii() and value.isprintable() and value == value.strip()
