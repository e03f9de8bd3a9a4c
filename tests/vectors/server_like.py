"""An engine in this process in a server's place, for tests of what a server is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hybridge.vectors.connection import Request, connect

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


class ServerLike:
    """A `Connection` that passes for a server's.

    Args:
        version: of the server.
        strict_mode: of every collection.
        client: of the engine; None for an empty one.

    Attributes:
        requests: what was sent so far.
        refuse: called with each request; may raise.
    """

    location = "http://localhost:6333"
    is_local = False

    def __init__(
        self,
        version: tuple[int, ...] = (1, 18, 3),
        strict_mode: Mapping[str, Any] | None = None,
        client: QdrantClient | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.refuse: Callable[[Request], None] = lambda request: None
        self._version = version
        self._strict_mode = strict_mode
        self._engine = connect(":memory:") if client is None else connect(client=client)

    def send(self, request: Request) -> Any:
        self.requests.append(request)
        self.refuse(request)
        answer = self._engine.send(request)
        if self._strict_mode and isinstance(answer, dict) and "config" in answer:
            answer["config"]["strict_mode_config"] = {"enabled": True, **self._strict_mode}
        return answer

    async def asend(self, request: Request) -> Any:
        return self.send(request)

    def version(self) -> tuple[int, ...]:
        return self._version

    def close(self) -> None:
        self._engine.close()

    def sent(self, method: str, path: str) -> list[Any]:
        """Return the bodies of the requests of a method whose path ends so."""
        matching = (each for each in self.requests if each.path.endswith(path))
        return [each.body for each in matching if each.method == method]
