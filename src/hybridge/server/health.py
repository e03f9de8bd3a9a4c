"""Whether the server lives and is ready, and its figures."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from ..errors import HybridgeError
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

logger = logging.getLogger(__name__)

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
    try:
        await asyncio.to_thread(len, service(request).index)
    except HybridgeError as error:
        # This is answered without a key, and the message may name a folder or a host.
        logger.warning("the index does not answer: %s", error)
        raise HTTPException(503, "the index does not answer: the server's log says why") from None
    return Health()


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> PlainTextResponse:
    """Return counts and durations of requests, in Prometheus's format."""
    figures: Metrics = request.app.state.metrics
    return PlainTextResponse(figures.text(), media_type="text/plain; version=0.0.4")
