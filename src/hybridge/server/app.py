"""The application: an API, pages for people and tools for agents over one index."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles

from .. import __version__
from ..index import HybridIndex
from ..mcp import create_server, mount
from ..protocols import Reranker
from . import api, ask, health, judge, login, pages
from .guards import Guards, add_guards
from .metrics import Metrics
from .problems import add_handlers, document
from .service import Service

__all__ = ["create_app"]


def create_app(
    index: HybridIndex,
    *,
    rerankers: Mapping[str, Reranker] | None = None,
    name: str = "index",
    allow_writes: bool = False,
    judgments: Path | None = None,
    guards: Guards | None = None,
) -> FastAPI:
    """Return an ASGI application that serves an index.

    Args:
        index: an open index; it stays open when the application ends.
        rerankers: by the names that requests give.
        name: of the index, for readers.
        allow_writes: whether requests may add and delete passages.
        judgments: the file where judgments are kept; None for none.
        guards: keys, hosts and limits; None for those of a server that this machine alone asks.
    """
    allowed = Guards() if guards is None else guards
    app = FastAPI(
        title=f"Hybridge: {name}",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,  # Its pages load scripts from another server.
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.service = Service(index, dict(rerankers or {}), name, allow_writes, judgments)
    app.state.guards = allowed
    app.state.metrics = Metrics()
    app.mount("/static", StaticFiles(packages=[("hybridge.server", "static")]), name="static")
    app.include_router(api.router)
    app.include_router(health.router)
    app.include_router(pages.router)
    app.include_router(ask.router)
    app.include_router(judge.router)
    if allowed.keys:
        app.include_router(login.router)
    # The guards know the hosts, of this path too.
    tools = create_server(
        index, rerankers=rerankers, name=name, allow_writes=allow_writes, hosts=["*"]
    )
    mount(app, tools)
    add_handlers(app)
    add_guards(app, allowed, app.state.metrics)
    _document(app, with_key=bool(allowed.keys))
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # More threads than cores would only make each other, and the event loop, wait.
    threads = ThreadPoolExecutor((os.cpu_count() or 1) + 1, "search")
    asyncio.get_running_loop().set_default_executor(threads)
    yield
    await asyncio.to_thread(app.state.service.jobs.stop, 5.0)


def _document(app: FastAPI, *, with_key: bool) -> None:
    """Add to the OpenAPI document what routes cannot say: the model of errors, and the key."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            document(schema)
            if with_key:
                bearer = {"type": "http", "scheme": "bearer"}
                schema["components"]["securitySchemes"] = {"key": bearer}
                schema["security"] = [{"key": []}]
                for path, operations in schema["paths"].items():
                    if path.startswith("/health/"):
                        for operation in operations.values():
                            operation["security"] = []
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
