"""The server: its tools by the protocol, on standard input and output or over HTTP."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, TextContent
from mcp.types import Tool as ToolDefinition
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .. import __version__
from ..errors import HybridgeError, InvalidInputError
from ..index import HybridIndex
from ..interop import check_share
from ..protocols import Reranker
from .framing import NOTICE
from .tools import IndexTools

__all__ = ["ToolServer", "create_server", "mount"]

logger = logging.getLogger(__name__)

_ERROR = 2_000  # characters of a message
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class ToolServer:
    """A server of an index's tools; `create_server` makes one.

    Args:
        name: of the index, for readers.
        tools: the tools of the index.
        hosts: names beside those of this machine under which requests over HTTP may come.

    Attributes:
        name: of the index.
        lowlevel: the SDK's server, for its other transports.
    """

    def __init__(self, name: str, tools: IndexTools, hosts: Sequence[str] = ()) -> None:
        self.name = name
        self._describe_fields = tools.describe_fields
        self._tools = {tool.name: tool for tool in tools.tools()}
        self._hosts = tuple(hosts)
        self.lowlevel: Server[object, Any] = Server(
            name,
            version=__version__,
            instructions=f"Tools over the index {name!r}: search it, and read, explain and filter "
            f"what is found. {NOTICE}",
        )
        untyped = cast("Any", self.lowlevel)
        untyped.list_tools()(self.list_tools)
        # The models of the arguments check them, with messages that name what is valid.
        untyped.call_tool(validate_input=False)(self.call_tool)

    async def list_tools(self) -> list[ToolDefinition]:
        """Return the definitions of the tools, with the fields that the index has now."""
        fields = await self._describe_fields()
        return [tool.definition(fields) for tool in self._tools.values()]

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> CallToolResult:
        """Run a tool; an error is a result too, with the message for the model."""
        try:
            if name not in self._tools:
                raise InvalidInputError(
                    f"there is no tool {name!r:.100}: there are {', '.join(self._tools)}"
                )
            return await self._tools[name].call(arguments)
        except HybridgeError as error:
            # It may repeat an argument whole, and answers are small.
            return _failed(" ".join(str(error).split())[:_ERROR])
        except Exception:
            # Its message may name files and hosts of this machine: it is for the log alone.
            logger.exception("the tool %r failed", name)
            return _failed(f"the tool {name!r} failed; the server's log says why")

    def run(self) -> None:
        """Answer on standard input and output until the input ends.

        Standard output is the protocol's: what else is printed meanwhile goes to standard error.
        """
        anyio.run(self.run_async)

    async def run_async(self) -> None:
        """`run` within an event loop."""
        sys.stdout.flush()
        own = os.dup(1)
        os.dup2(2, 1)
        try:
            with os.fdopen(os.dup(own), "w", encoding="utf-8", newline="\n") as output:
                async with stdio_server(stdout=anyio.wrap_file(output)) as (received, sent):
                    options = self.lowlevel.create_initialization_options()
                    await self.lowlevel.run(received, sent, options)
        finally:
            sys.stdout.flush()
            os.dup2(own, 1)
            os.close(own)

    def streamable_http_app(self, path: str = "/mcp") -> Starlette:
        """Return a separate application, which answers at a path by streamable HTTP.

        Args:
            path: where.
        """
        app = Starlette()
        mount(app, self, path)
        return app

    def session_manager(self) -> StreamableHTTPSessionManager:
        """Return what answers requests over HTTP, each on its own, in JSON; it is run once."""
        guard = "*" not in self._hosts
        hosts = [f"{host}{port}" for host in (*_LOOPBACK, *self._hosts) for port in ("", ":*")]
        origins = [f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")]
        return StreamableHTTPSessionManager(
            self.lowlevel,
            json_response=True,
            stateless=True,
            security_settings=TransportSecuritySettings(
                enable_dns_rebinding_protection=guard, allowed_hosts=hosts, allowed_origins=origins
            ),
        )


def create_server(
    index: HybridIndex,
    *,
    rerankers: Mapping[str, Reranker] | None = None,
    rerank: Sequence[str] = (),
    name: str = "index",
    allow_writes: bool = False,
    hosts: Sequence[str] = (),
    rerank_depth: int = 50,
    blend: float = 0.5,
) -> ToolServer:
    """Return a server of an index's tools, for agents.

    For the tools to see a part of an index alone, give its `index.scoped(where)`.

    Args:
        index: an open index, or a scope of one; it stays open.
        rerankers: by the names that calls give.
        rerank: those that run unless a call names others, in their order.
        name: of the index, for readers.
        allow_writes: whether there are tools that add and delete passages.
        hosts: names beside those of this machine under which requests over HTTP may come, such as
            ``"search.example.org"``; ``"*"`` for any, where the application around checks them.
        rerank_depth: candidates each reranker gets.
        blend: a reranker's share in the score, from 0 to 1.

    Raises:
        InvalidInputError: an unknown reranker, or an index that cannot be written.

    >>> from hybridge import BM25, HybridIndex, Passage
    >>> import asyncio
    >>> with HybridIndex.create(stages=[BM25()]) as index:
    ...     _ = index.add([Passage("p1", "Cats sleep a lot."), Passage("p2", "Dogs bark.")])
    ...     server = create_server(index)
    ...     found = asyncio.run(server.call_tool("search", {"query": "Why do cats sleep?"}))
    >>> [hit["id"] for hit in found.structuredContent["hits"]]
    ['p1']
    """
    known = dict(rerankers or {})
    if unknown := [each for each in rerank if each not in known]:
        raise InvalidInputError(
            f"rerank names {unknown[0]!r}, which is none of the rerankers {sorted(known)}"
        )
    if allow_writes and index.is_read_only:
        raise InvalidInputError(
            "allow_writes=True needs an index that can be written: not a scope of one, and opened "
            "without read_only"
        )
    options = {"rerank_depth": rerank_depth, "blend": check_share(blend, "blend")}
    tools = IndexTools(index, known, tuple(rerank), allow_writes, options)
    return ToolServer(name, tools, hosts)


def mount(app: Starlette, server: ToolServer, path: str = "/mcp") -> None:
    """Put a server into an application of Starlette or FastAPI, by streamable HTTP.

    It answers while the application runs: its sessions begin and end with the lifespan, around
    which they are put.

    Args:
        app: the application.
        server: the server.
        path: where it answers; there is no slash behind it.
    """
    before = app.router.lifespan_context
    endpoint = _Endpoint()

    @asynccontextmanager
    async def lifespan(running: Any) -> AsyncIterator[Any]:
        # The SDK's manager runs but once, an application may start again.
        endpoint.manager = server.session_manager()
        async with before(running) as state, endpoint.manager.run():
            yield state

    wrapped: Callable[[Any], AbstractAsyncContextManager[Any]] = lifespan
    app.router.lifespan_context = wrapped
    # By GET, the SDK would hold a stream open in which nothing ever comes.
    route = Route(path, endpoint=endpoint, methods=["POST"], include_in_schema=False)
    app.router.routes.append(route)


class _Endpoint:
    """An ASGI application."""

    manager: StreamableHTTPSessionManager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.manager.handle_request(scope, receive, send)


def _failed(message: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=message)], isError=True)
