"""The application: an API, pages for people and tools for agents over one index."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from ..index import HybridIndex
from ..protocols import Reranker
from . import ask, judge
from .service import Service

__all__ = ["create_app"]


def create_app(
    index: HybridIndex,
    *,
    rerankers: Mapping[str, Reranker] | None = None,
    name: str = "index",
    allow_writes: bool = False,
    judgments: Path | None = None,
) -> FastAPI:
    """Return an ASGI application that serves an index.

    Args:
        index: an open index.
        rerankers: by the names that requests give.
        name: of the index, for readers.
        allow_writes: whether requests may add and delete passages.
        judgments: the file where judgments are kept; None for none.
    """
    app = FastAPI(title=f"Hybridge: {name}")
    app.state.service = Service(index, dict(rerankers or {}), name, allow_writes, judgments)
    app.mount("/static", StaticFiles(packages=[("hybridge.server", "static")]), name="static")
    app.include_router(ask.router)
    app.include_router(judge.router)
    return app
