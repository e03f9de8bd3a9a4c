"""What the served engine sends to Qdrant, and to where: requests of its REST API.

`connect` chooses between a server (`http.py`) and an engine in this process (`local.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack

if TYPE_CHECKING:
    from ssl import SSLContext

    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = ["Connection", "ConnectionOptions", "Request", "connect"]


@dataclass(frozen=True)
class Request:
    """One request of Qdrant's REST API.

    Args:
        action: its purpose, for messages: "search", "add passages", "create a collection".
        method: "GET", "POST", "PUT", "PATCH" or "DELETE".
        path: names in it are quoted: "/collections/beets/points/query/batch".
        body: JSON, with numpy arrays as lists; None without.
        params: of the query string, for example ``{"wait": "true"}``.
        is_retried: whether it may be repeated: reads, and writes with ids.

    >>> Request("count", "POST", "/collections/beets/points/count", {"exact": True}).is_retried
    True
    """

    action: str
    method: str
    path: str
    body: Any = None
    params: Mapping[str, str] | None = None
    is_retried: bool = True


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
    **options: Unpack[ConnectionOptions],
) -> Connection:
    """Return a connection to a server, or to an engine in this process for ``":memory:"``.

    Nothing is sent yet. Without `url` and `client`, the environment variables QDRANT_URL (several
    addresses parted by commas) and QDRANT_API_KEY are read, always both.

    Args:
        url: for example ``"http://localhost:6333"``; several for the nodes of one cluster.
        api_key: the key of a protected server.
        options: see `ConnectionOptions`.

    Raises:
        InvalidInputError: an address or option is not valid, or there is no address.

    >>> connect("https://qdrant.example.org/vectors", "secret").location
    'https://qdrant.example.org/vectors'
    """
    raise NotImplementedError
