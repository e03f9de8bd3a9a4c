"""Whether the server lives and is ready, and its figures."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from .metrics import Metrics
from .pages import service
from .problems import PROBLEMS

__all__ = [
    "Health",
    "live",
    "metrics",
    "ready",
    "router",
]

router = APIRouter(tags=["operation"], responses=PROBLEMS)


class Health(BaseModel):
    """That all is well.

    Args:
        status: always ``ok``; otherwise the answer is an error.
    """

    status: Literal["ok"] = "ok"


@router.get("/health/live")
async def live() -> Health:
    """Say that the process answers."""
    return Health()


@router.get("/health/ready")
async def ready(request: Request) -> Health:
    """Say that the index answers."""
    await asyncio.to_thread(len, service(request).index)
    return Health()


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> PlainTextResponse:
    """Return counts and durations of requests, in Prometheus's format."""
    figures: Metrics = request.app.state.metrics
    return PlainTextResponse(figures.text(), media_type="text/plain; version=0.0.4")
