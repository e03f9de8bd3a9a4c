"""Tests of the engine in this process, on a real server instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from hybridge.errors import StoreError
from hybridge.vectors.connection import Connection, Request, connect

__all__ = ["OwnCollections"]


class OwnCollections:
    """A `Connection` to a server whose collections are its own, and gone when it is closed.

    So it stands in for an engine in this process, which is empty too when it is made.

    Args:
        url: of the server.

    Raises:
        StoreError: the server cannot be reached.
    """

    is_local = False

    def __init__(self, url: str) -> None:
        self._connection: Connection = connect(url)
        self._prefix = f"test-{uuid4().hex}-"
        self._is_open = True

    @property
    def location(self) -> str:
        return self._connection.location

    def version(self) -> tuple[int, ...]:
        return self._connection.version()

    def send(self, request: Request) -> Any:
        with self._named_as_asked():
            return self._answer(request, self._connection.send(self._own(request)))

    async def asend(self, request: Request) -> Any:
        with self._named_as_asked():
            return self._answer(request, await self._connection.asend(self._own(request)))

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        for each in self.send(Request("list", "GET", "/collections"))["collections"]:
            path = f"/collections/{quote(each['name'], safe='')}"
            self.send(Request("clean up", "DELETE", path))
        self._connection.close()

    def _own(self, request: Request) -> Request:
        head = "/collections/"
        if request.path == "/collections/aliases":
            actions = [
                {
                    verb: {key: f"{self._prefix}{name}" for key, name in names.items()}
                    for verb, names in action.items()
                }
                for action in request.body["actions"]
            ]
            return replace(request, body={"actions": actions})
        if request.path.startswith(head):
            return replace(request, path=f"{head}{self._prefix}{request.path.removeprefix(head)}")
        return request

    def _answer(self, request: Request, result: Any) -> Any:
        if request.path == "/collections":
            names = [each["name"] for each in result["collections"]]
            own = [name for name in names if name.startswith(self._prefix)]
            return {"collections": [{"name": name.removeprefix(self._prefix)} for name in own]}
        if request.path.endswith("/aliases") and request.method == "GET":
            pairs = [pair for pair in result["aliases"] if self._prefix in pair["alias_name"]]
            bare = [{k: v.removeprefix(self._prefix) for k, v in pair.items()} for pair in pairs]
            return {"aliases": bare}
        return result

    @contextmanager
    def _named_as_asked(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            message = str(error).replace(self._prefix, "")
            reason = error.reason.replace(self._prefix, "")
            raise type(error)(message, status=error.status, reason=reason) from error
